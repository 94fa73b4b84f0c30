"""The training loss: cross-entropy over the labelled pixels."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops


class MaskedCrossentropy(keras.losses.Loss):
    """Mean cross-entropy of logits over all labelled pixels of a batch.

    Softmax cross-entropy for several classes, sigmoid cross-entropy for one. Pixels whose label is not a class
    (`ignore_index`, or any other value outside `0..C-1`) contribute neither loss nor gradient, nor to the mean.

    Args:
        classes: number of outputs of the network; 1 for binary segmentation (labels 0 and 1).
        ignore_index: label of pixels to leave out.

    Call arguments:
        y_true: integer labels `[B, H, W]`.
        y_pred: logits `[B, H, W, classes]`, any float dtype; the loss is computed in float32.

    Returns:
        float32 scalar.
    """

    def __init__(self, classes: int, ignore_index: int = 255, name: str = "masked_crossentropy") -> None:
        super().__init__(name=name, reduction=None, dtype="float32")
        self.classes = classes
        self.ignore_index = ignore_index

    def call(self, y_true: Any, y_pred: Any) -> Any:
        labels = ops.cast(y_true, "int32")
        valid = labelled(labels, self.classes, self.ignore_index)
        labels = ops.where(valid, labels, 0)  # any class will do: these pixels get weight 0 below
        if self.classes == 1:
            logits = ops.squeeze(y_pred, axis=-1)
            # The numerically stable form of -log sigmoid: max(x, 0) - x * z + log(1 + exp(-|x|)).
            losses = ops.relu(logits) - logits * ops.cast(labels, logits.dtype) + ops.log1p(ops.exp(-ops.abs(logits)))
        else:
            losses = ops.sparse_categorical_crossentropy(labels, y_pred, from_logits=True)
        weights = ops.cast(valid, losses.dtype)
        return ops.sum(losses * weights) / ops.maximum(ops.sum(weights), 1.0)

    def get_config(self) -> dict[str, Any]:
        return {"classes": self.classes, "ignore_index": self.ignore_index, "name": self.name}


def labelled(labels: Any, classes: int, ignore_index: int) -> Any:
    """Boolean tensor with the shape of `labels` (integers): whether the label is one of the classes."""
    count = max(classes, 2)
    return ops.logical_and(ops.logical_and(labels >= 0, labels < count), labels != ignore_index)
