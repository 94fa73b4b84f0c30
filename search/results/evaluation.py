"""What a model achieves on a split, gathered image by image."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from datasets.inference import Band, class_ids
from deeplab.boundary import boundary_scores
from deeplab.scoring import confusion_of_ids, dice, scores
from search.results.thresholds import ProbabilityCounts

UInt8Array = npt.NDArray[np.uint8]


class Evaluation:
    """Scores of the images that have been added; memory grows by a few numbers per class and image.

    Attributes:
        class_names: in id order; two for binary data.
        names: of the images, in the order in which they were added.
        matrix: pixels of true class (row) predicted as class (column) in all images, `[C, C]`.
        probabilities: of binary data, otherwise nothing is counted.
    """

    def __init__(self, class_names: Sequence[str]) -> None:
        self.class_names = tuple(class_names)
        self.names: list[str] = []
        self.matrix = np.zeros((len(class_names), len(class_names)), np.int64)
        self.probabilities = ProbabilityCounts()
        self._images: list[npt.NDArray[np.float64]] = []
        self._boundaries: list[npt.NDArray[np.float32]] = []

    def add(self, name: str, truth: UInt8Array, bands: Iterable[Band]) -> UInt8Array:
        """Compare an image's prediction with its truth `[H, W]`; returns the predicted class ids `[H, W]`."""
        count = len(self.class_names)
        predicted, matrix = np.empty_like(truth), np.zeros_like(self.matrix)
        for rows, probabilities in bands:
            predicted[rows] = class_ids(probabilities)
            matrix += confusion_of_ids(truth[rows], predicted[rows], count)
            if probabilities.shape[-1] == 1:
                self.probabilities.add(truth[rows], probabilities[..., 0])
        self.names.append(name)
        self.matrix += matrix
        found = scores(matrix, self.class_names)
        iou = [found[f"iou_{label}"] for label in self.class_names]
        self._images.append(np.array([found["mean_iou"], *iou]).round(6))
        self._boundaries.append(boundary_scores(truth, predicted, count).astype(np.float32))
        return predicted

    def image_score(self, index: int) -> float:
        """The mean IoU of one image over the classes that occur in it; NaN if none of its pixels is labelled."""
        return float(self._images[index][0])

    def worst_first(self) -> list[int]:
        """Indices of the images, those with the lowest scores first, those without a score last."""
        return np.argsort([images[0] for images in self._images], kind="stable").tolist()

    def image_rows(self) -> list[dict[str, Any]]:
        """Rows of `images.csv`, worst first."""
        columns = image_columns(self.class_names)
        return [
            dict(zip(columns, (self.names[index], *self._images[index].tolist()), strict=True))
            for index in self.worst_first()
        ]

    def classes(self) -> list[ClassScores]:
        """The scores of each class over all images, and how much there is of it."""
        iou, f1, boundaries = scores(self.matrix, self.class_names), dice(self.matrix), self._mean_boundaries()
        shares = self.matrix.sum(axis=1) / max(1, self.matrix.sum())
        return [
            ClassScores(name, iou[f"iou_{name}"], float(f1[index]), float(boundaries[index]), float(shares[index]))
            for index, name in enumerate(self.class_names)
        ]

    def summary(self) -> dict[str, float]:
        """`mean_iou` and `pixel_accuracy`, and the means of Dice and of the boundary F-score over the classes."""
        found, rows = scores(self.matrix, self.class_names), self.classes()
        return {
            "mean_iou": found["mean_iou"],
            "pixel_accuracy": found["pixel_accuracy"],
            "mean_dice": _mean([row.dice for row in rows]),
            "mean_boundary_f": _mean([row.boundary_f for row in rows]),
        }

    def _mean_boundaries(self) -> list[float]:
        """The boundary F-score of each class: the mean over the images in which the class has an outline."""
        return [_mean(column) for column in np.array(self._boundaries, np.float64).T]


class ClassScores(NamedTuple):
    """The scores of one class, NaN if it does not occur, and its share of the labelled pixels."""

    name: str
    iou: float
    dice: float
    boundary_f: float
    share: float


def image_columns(class_names: Sequence[str]) -> tuple[str, ...]:
    """The columns of `images.csv`."""
    return ("name", "mean_iou", *(f"iou_{name}" for name in class_names))


def _mean(values: Iterable[float]) -> float:
    """The mean of what has been measured."""
    measured = [value for value in values if value == value]
    return float(np.mean(measured)) if measured else float("nan")
