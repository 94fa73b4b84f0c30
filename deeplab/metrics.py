"""The confusion matrix as a metric of Keras, and the confusion of single images."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import ops

from deeplab.losses import labelled
from deeplab.scoring import scores

__all__ = ["ConfusionMatrix", "confusion_bins", "confusion_of_images", "predicted_classes", "scores"]


class ConfusionMatrix(keras.metrics.Metric):
    """Counts of (true class, predicted class) over all labelled pixels since the last reset.

    Keras reports its `result()`, the mean IoU; `matrix()` returns the complete counts, from which `scores` computes all
    metrics. Labels that are not a class (void, out of range) are left out; `keras.metrics.MeanIoU` fails on them.

    Args:
        classes: number of outputs of the network; 1 for binary segmentation, which counts the two classes 0 and 1.
        ignore_index: label of pixels to leave out.

    Call arguments of `update_state`:
        y_true: integer labels `[B, H, W]`.
        y_pred: logits `[B, H, W, classes]`.
    """

    def __init__(self, classes: int, ignore_index: int = 255, name: str = "mean_iou") -> None:
        super().__init__(name=name)
        self.outputs = classes
        self.ignore_index = ignore_index
        self.count = max(classes, 2)
        # Integers, because a float32 count stops growing at 16.7 million pixels.
        self._matrix = self.add_weight(
            shape=(self.count, self.count), initializer="zeros", dtype="int64", name="confusion_matrix"
        )

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        if sample_weight is not None:
            raise ValueError("ConfusionMatrix counts pixels and takes no sample weights; mark void pixels instead.")
        bins = self.count * self.count
        index = confusion_bins(y_true, y_pred, self.outputs, self.ignore_index)
        # The last bin contains the void pixels.
        counts = ops.bincount(ops.reshape(index, (-1,)), minlength=bins + 1)[:bins]
        self._matrix.assign_add(ops.cast(ops.reshape(counts, (self.count, self.count)), "int64"))

    def result(self) -> Any:
        matrix = ops.cast(self._matrix, "float32")
        truth = ops.sum(matrix, axis=1)
        hits = ops.diagonal(matrix)
        union = truth + ops.sum(matrix, axis=0) - hits
        # A class that is predicted but never true has no IoU; its pixels lower that of the classes they belong to.
        occurs = ops.cast(truth > 0, "float32")
        iou = hits / ops.maximum(union, 1.0)
        return ops.sum(iou * occurs) / ops.maximum(ops.sum(occurs), 1.0)

    def matrix(self) -> np.ndarray:
        """int64 `[C, C]`: number of pixels of a true class (row) predicted as a class (column); C is 2 for binary."""
        return np.asarray(ops.convert_to_numpy(self._matrix))

    def get_config(self) -> dict[str, Any]:
        return {"classes": self.outputs, "ignore_index": self.ignore_index, "name": self.name}


def confusion_bins(y_true: Any, y_pred: Any, classes: int, ignore_index: int) -> Any:
    """Each pixel's cell in the flattened confusion matrix, int32 `[B, H, W]`; void pixels get the index after the last.

    The arguments are as in `ConfusionMatrix`.
    """
    labels, count = ops.cast(y_true, "int32"), max(classes, 2)
    valid = labelled(labels, classes, ignore_index)
    return ops.where(valid, labels * count + predicted_classes(y_pred, classes), count * count)


def predicted_classes(logits: Any, classes: int) -> Any:
    """Class ids int32 `[B, H, W]` of logits `[B, H, W, classes]`; with one output, logits above 0 mean class 1."""
    if classes == 1:
        return ops.cast(ops.squeeze(logits, axis=-1) > 0, "int32")
    return ops.cast(ops.argmax(logits, axis=-1), "int32")


def confusion_of_images(y_true: Any, y_pred: Any, classes: int, ignore_index: int) -> Any:
    """One confusion matrix per image, integers `[B, C, C]`, C at least 2. Arguments as in `ConfusionMatrix`."""
    index, count = confusion_bins(y_true, y_pred, classes, ignore_index), max(classes, 2)
    # `bincount` counts each row separately.
    flat = ops.reshape(index, (-1, index.shape[1] * index.shape[2]))
    counts = ops.bincount(flat, minlength=count * count + 1)[:, : count * count]
    return ops.reshape(counts, (-1, count, count))
