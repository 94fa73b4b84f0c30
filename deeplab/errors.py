"""Errors of this package that callers need to distinguish."""


class EncoderWeightsError(ValueError):
    """Encoder weights are unavailable or do not match. The message says which file or layer, and what to do."""
