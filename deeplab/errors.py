"""Errors of this package that callers tell apart."""


class EncoderWeightsError(ValueError):
    """Weights of an encoder cannot be had or do not fit it. The message says which file or layer, and what to do."""
