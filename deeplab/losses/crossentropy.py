"""Cross-entropy over the labelled pixels, plain or weighted by class or by difficulty."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from keras import ops

from deeplab.losses.masked import MaskedLoss, weighted_mean

# Lin et al. 2017, "Focal Loss for Dense Object Detection", section 3.2.
FOCUS = 2.0
# Pixels of a lower probability are hard, and at least a share of all is (Wu et al. 2016, "Bridging Category-level and
# Instance-level Semantic Image Segmentation", section 3.3; the values of BiSeNet's authors).
HARD_BELOW, HARD_SHARE = 0.7, 0.25
# A class that is nearly never seen would otherwise outweigh all others.
LARGEST_WEIGHT = 10.0


class MaskedCrossentropy(MaskedLoss):
    """Mean cross-entropy: softmax for several classes, sigmoid for one."""

    def __init__(self, classes: int, ignore_index: int = 255, name: str = "masked_crossentropy") -> None:
        super().__init__(classes, ignore_index, name)

    def of_pixels(self, labels: Any, logits: Any, weights: Any) -> Any:
        """See `MaskedLoss`."""
        return weighted_mean(crossentropies(labels, logits, self.classes), weights)


class WeightedCrossentropy(MaskedLoss):
    """Cross-entropy in which each pixel counts as its class's weight: `sum(w[y] * ce) / sum(w[y])`.

    The weights are by median frequency balancing, `median(f) / f[c]` with the class's share `f[c]` of the labelled
    pixels (Eigen and Fergus 2015, "Predicting Depth, Surface Normals and Semantic Labels", section 6.3.2), at most 10.

    Args:
        classes: see `MaskedLoss`.
        ignore_index: see `MaskedLoss`.
        class_pixels: pixels of each class in the training split, two for binary segmentation.
        name: of the loss.
    """

    def __init__(
        self,
        classes: int,
        ignore_index: int = 255,
        class_pixels: Sequence[int] = (),
        name: str = "weighted_crossentropy",
    ) -> None:
        super().__init__(classes, ignore_index, name)
        if len(class_pixels) != max(2, classes):
            raise ValueError(f"class_pixels must name {max(2, classes)} counts; got {len(class_pixels)}.")
        self.class_pixels = [int(count) for count in class_pixels]
        self.class_weights = balanced_weights(self.class_pixels)

    def of_pixels(self, labels: Any, logits: Any, weights: Any) -> Any:
        """See `MaskedLoss`."""
        by_class = ops.take(ops.convert_to_tensor(self.class_weights, weights.dtype), labels, axis=0)
        return weighted_mean(crossentropies(labels, logits, self.classes), weights * by_class)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "class_pixels": self.class_pixels}


class Focal(MaskedLoss):
    """Mean of `(1 - p) ** 2 * ce`, with the probability `p` of the true class (Lin et al. 2017, equation 4)."""

    def __init__(self, classes: int, ignore_index: int = 255, name: str = "focal") -> None:
        super().__init__(classes, ignore_index, name)

    def of_pixels(self, labels: Any, logits: Any, weights: Any) -> Any:
        """See `MaskedLoss`."""
        # Not Keras's, which clips probabilities: a pixel that is certainly wrong would have no gradient.
        losses = crossentropies(labels, logits, self.classes)
        return weighted_mean((1.0 - ops.exp(-losses)) ** FOCUS * losses, weights)


class HardPixels(MaskedLoss):
    """Mean cross-entropy of the hard pixels: those below a probability of 0.7, and at least a quarter of all (OHEM)."""

    def __init__(self, classes: int, ignore_index: int = 255, name: str = "ohem") -> None:
        super().__init__(classes, ignore_index, name)

    def of_pixels(self, labels: Any, logits: Any, weights: Any) -> Any:
        """See `MaskedLoss`."""
        losses = ops.reshape(crossentropies(labels, logits, self.classes), (-1,))
        weights = ops.reshape(weights, (-1,))
        # Ignored pixels come last; no loss is negative.
        ranked = ops.flip(ops.sort(ops.stop_gradient(ops.where(weights > 0, losses, -1.0))))
        least = ops.cast(ops.ceil(HARD_SHARE * ops.sum(weights)), "int32")
        lowest = ops.take(ranked, ops.maximum(least - 1, 0))
        hard = losses >= ops.minimum(lowest, -math.log(HARD_BELOW))
        return weighted_mean(losses, weights * ops.cast(hard, weights.dtype))


def crossentropies(labels: Any, logits: Any, classes: int) -> Any:
    """The cross-entropy of each pixel `[B, H, W]`; arguments as in `MaskedLoss.of_pixels`."""
    if classes == 1:
        single = ops.squeeze(logits, axis=-1)
        return ops.binary_crossentropy(ops.cast(labels, single.dtype), single, from_logits=True)
    return ops.sparse_categorical_crossentropy(labels, logits, from_logits=True)


def balanced_weights(class_pixels: Sequence[int]) -> list[float]:
    """Weights of the classes by their pixels (see `WeightedCrossentropy`); 1 for one that does not occur."""
    counts = np.asarray(class_pixels, np.float64)
    occurs = counts > 0
    weights = np.ones(len(counts))
    if occurs.any():
        weights[occurs] = np.minimum(np.median(counts[occurs]) / counts[occurs], LARGEST_WEIGHT)
    return [float(weight) for weight in weights]
