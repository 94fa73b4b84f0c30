"""Losses that measure how regions overlap, whatever their size."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from deeplab.losses.crossentropy import crossentropies
from deeplab.losses.masked import MaskedLoss, weighted_mean


class Dice(MaskedLoss):
    """`1 - 2 sum(p t) / (sum(p) + sum(t))` over a batch, mean over the classes that occur in it.

    Milletari et al. 2016, "V-Net", section 3, there with squares in the denominator. With one output, of the object.
    """

    def __init__(self, classes: int, ignore_index: int = 255, name: str = "dice") -> None:
        super().__init__(classes, ignore_index, name)

    def of_pixels(self, labels: Any, logits: Any, weights: Any) -> Any:
        """See `MaskedLoss`."""
        truth, predicted = probabilities(labels, logits, self.classes)
        weights = ops.expand_dims(weights, -1)
        truth = truth * weights
        losses = keras.losses.dice(truth, predicted * weights, axis=(0, 1, 2))
        occurs = ops.cast(ops.sum(truth, axis=(0, 1, 2)) > 0, losses.dtype)
        return weighted_mean(losses, occurs)


class CrossentropyDice(Dice):
    """The sum of cross-entropy and Dice loss (as in Isensee et al. 2021, "nnU-Net")."""

    def __init__(self, classes: int, ignore_index: int = 255, name: str = "crossentropy_dice") -> None:
        super().__init__(classes, ignore_index, name)

    def of_pixels(self, labels: Any, logits: Any, weights: Any) -> Any:
        """See `MaskedLoss`."""
        crossentropy = weighted_mean(crossentropies(labels, logits, self.classes), weights)
        return crossentropy + super().of_pixels(labels, logits, weights)


class Lovasz(MaskedLoss):
    """The Lovasz-Softmax loss over a batch, mean over the classes that occur in it; for one output, the Lovasz hinge.

    The convex extension of the Jaccard loss `1 - IoU` (Berman et al. 2018, "The Lovasz-Softmax loss", sections 2, 3).
    """

    def __init__(self, classes: int, ignore_index: int = 255, name: str = "lovasz") -> None:
        super().__init__(classes, ignore_index, name)

    def of_pixels(self, labels: Any, logits: Any, weights: Any) -> Any:
        """See `MaskedLoss`."""
        weights = ops.reshape(weights, (-1, 1))
        if self.classes == 1:
            truth = ops.cast(ops.reshape(labels, (-1, 1)), logits.dtype)
            margins = ops.relu(1.0 - ops.reshape(logits, (-1, 1)) * (2.0 * truth - 1.0))
            # Of an empty object too: what is predicted there is wrong.
            return ops.mean(_jaccard_extension(margins * weights, truth * weights, weights))
        truth, predicted = (ops.reshape(x, (-1, self.classes)) for x in probabilities(labels, logits, self.classes))
        truth = truth * weights
        losses = _jaccard_extension(ops.abs(truth - predicted * weights), truth, weights)
        return weighted_mean(losses, ops.cast(ops.sum(truth, axis=0) > 0, losses.dtype))


def probabilities(labels: Any, logits: Any, classes: int) -> tuple[Any, Any]:
    """The truth (0 or 1) and the probability of each output, `[B, H, W, classes]`."""
    if classes == 1:
        return ops.expand_dims(ops.cast(labels, logits.dtype), -1), ops.sigmoid(logits)
    return ops.one_hot(labels, classes, dtype=logits.dtype), ops.softmax(logits)


def _jaccard_extension(errors: Any, truth: Any, weights: Any) -> Any:
    """Errors `[P, C]` by the growth of the Jaccard loss as they are added, the largest first (algorithm 1); `[C]`."""
    order = ops.argsort(-ops.stop_gradient(errors), axis=0)
    errors, truth = (ops.take_along_axis(values, order, axis=0) for values in (errors, truth))
    weights = ops.take_along_axis(ops.broadcast_to(weights, ops.shape(truth)), order, axis=0)
    total = ops.sum(truth, axis=0, keepdims=True)
    intersection = total - ops.cumsum(truth, axis=0)
    union = total + ops.cumsum((1.0 - truth) * weights, axis=0)
    jaccard = 1.0 - intersection / ops.maximum(union, 1.0)
    growth = ops.concatenate([jaccard[:1], jaccard[1:] - jaccard[:-1]], axis=0)
    return ops.sum(errors * ops.stop_gradient(growth), axis=0)
