"""What all training losses share: logits and integer labels, of which some are ignored."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops


class MaskedLoss(keras.losses.Loss):
    """A loss over the labelled pixels of a batch.

    Pixels whose label is not a class (`ignore_index`, or any other value outside `0..C-1`) contribute neither loss nor
    gradient. The loss is 0 where nothing is labelled.

    Args:
        classes: number of outputs of the network; 1 for binary segmentation (labels 0 and 1).
        ignore_index: label of pixels to leave out.
        name: of the loss.

    Call arguments:
        y_true: integer labels `[B, H, W]`.
        y_pred: logits `[B, H, W, classes]`, any float dtype; the loss is computed in float32.

    Returns:
        float32 scalar.
    """

    def __init__(self, classes: int, ignore_index: int = 255, name: str | None = None) -> None:
        # No reduction by Keras, which would divide by all pixels.
        super().__init__(name=name, reduction=None, dtype="float32")
        self.classes = classes
        self.ignore_index = ignore_index

    def call(self, y_true: Any, y_pred: Any) -> Any:
        labels = ops.cast(y_true, "int32")
        valid = labelled(labels, self.classes, self.ignore_index)
        # Any class will do: these pixels have weight 0.
        return self.of_pixels(ops.where(valid, labels, 0), y_pred, ops.cast(valid, y_pred.dtype))

    def of_pixels(self, labels: Any, logits: Any, weights: Any) -> Any:
        """The loss of class ids `[B, H, W]` and logits `[B, H, W, classes]`; ignored pixels have weight 0, others 1."""
        raise NotImplementedError

    def get_config(self) -> dict[str, Any]:
        return {"classes": self.classes, "ignore_index": self.ignore_index, "name": self.name}


def labelled(labels: Any, classes: int, ignore_index: int) -> Any:
    """Boolean tensor with the shape of `labels` (integers): whether the label is one of the classes."""
    count = max(classes, 2)  # one output distinguishes two classes
    return ops.logical_and(ops.logical_and(labels >= 0, labels < count), labels != ignore_index)


def weighted_mean(values: Any, weights: Any) -> Any:
    """Mean of `values` by `weights` of the same shape; 0, not NaN, where all weights are 0."""
    total = ops.sum(weights)
    return ops.sum(values * weights) / ops.where(total > 0, total, 1.0)
