"""Batch normalization in short trainings."""

from __future__ import annotations

import keras


def adapt_batch_normalization(model: keras.Model, steps: int) -> None:
    """Make the moving statistics follow within one epoch of `steps` batches.

    At keras.applications' momentum (up to 0.999) they need thousands of steps. A short training would be validated with
    the statistics of the initial weights, and a low rung would rank configurations by that. With `1 - 4 / steps` an
    epoch leaves 2 % of the initial values; layers that forget faster already are left as they are.
    """
    momentum = max(0.5, 1.0 - 4.0 / steps)
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = min(layer.momentum, momentum)
