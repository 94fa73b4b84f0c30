"""Segmentation metrics from a single confusion matrix, without Keras."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def confusion_of_ids(truth: np.ndarray, predicted: np.ndarray, count: int) -> np.ndarray:
    """Confusion matrix int64 `[count, count]` of class ids uint8, two arrays of one shape; rows are the true classes.

    Pixels whose true value is not a class id (below `count`) are left out.
    """
    valid = truth < count
    index = truth[valid].astype(np.int64) * count + predicted[valid]
    return np.bincount(index, minlength=count * count).reshape(count, count)


def dice(matrix: np.ndarray) -> np.ndarray:
    """The Dice coefficient (F1) of each class, float64 `[C]`, of a confusion matrix `[C, C]`; NaN as in `scores`."""
    counts = matrix.astype(np.float64)
    truth, predicted, hits = counts.sum(axis=1), counts.sum(axis=0), np.diagonal(counts)
    result: np.ndarray = np.divide(2 * hits, truth + predicted, out=np.full(len(counts), np.nan), where=truth > 0)
    return result


def scores(matrix: np.ndarray, class_names: Sequence[str]) -> dict[str, float]:
    """The usual metrics, computed from a confusion matrix.

    Args:
        matrix: integer `[C, C]`; rows are true classes, columns predicted ones.
        class_names: C names, in id order.

    Returns:
        `mean_iou` (over the classes that occur in the ground truth), `pixel_accuracy`, and `iou_<name>` for each class;
        NaN for the IoU of a class that does not occur, and for all metrics if nothing is labelled.
    """
    counts = matrix.astype(np.float64)
    truth, hits = counts.sum(axis=1), np.diagonal(counts)
    union = truth + counts.sum(axis=0) - hits
    iou = np.full(len(counts), np.nan)
    np.divide(hits, union, out=iou, where=truth > 0)
    total = counts.sum()
    result = {
        "mean_iou": float(np.nanmean(iou)) if total else float("nan"),
        "pixel_accuracy": float(hits.sum() / total) if total else float("nan"),
    }
    return result | {f"iou_{name}": float(value) for name, value in zip(class_names, iou, strict=True)}
