"""The boundary F-score: how well a prediction meets the outlines of each class.

Csurka, Larlus and Perronnin, "What is a good evaluation measure for semantic segmentation?" (BMVC 2013): the share of
the predicted outline that is close to the true one (precision), the share of the true outline that is close to the
predicted one (recall), and their harmonic mean, for each class of each image. Perazzi et al. (CVPR 2016) measure the
same.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

UInt8Array = npt.NDArray[np.uint8]

# What counts as close: Csurka's share of the image's diagonal. Perazzi's is 0.008.
TOLERANCE = 0.0075


def boundary_scores(
    truth: UInt8Array, predicted: UInt8Array, classes: int, tolerance: float = TOLERANCE
) -> npt.NDArray[np.float64]:
    """The boundary F-score of each class in one image, `[classes]`.

    An outline consists of the pixels of a class that touch another class above, below, left or right. Neither the edge
    of the image nor that of an ignored area is an outline.

    Args:
        truth: class ids `[H, W]`; pixels with other values are ignored.
        predicted: class ids `[H, W]`.
        classes: number of classes, at least 2.
        tolerance: how far apart two outlines may be, as a share of the diagonal; at least one pixel is allowed.

    Returns:
        0 to 1; NaN for classes that have no outline in the truth.
    """
    predicted = np.where(truth < classes, predicted, truth)  # ignored in both
    distance = max(1.0, tolerance * math.hypot(*truth.shape))
    outlines, found = _outlines(truth, classes), _outlines(predicted, classes)
    return np.array([_f_score(outlines[label], found[label], distance) for label in range(classes)])


def _outlines(labels: UInt8Array, classes: int) -> list[npt.NDArray[np.intp]]:
    """The points of each class's outline, `[N, 2]`."""
    touches = np.zeros(labels.shape, bool)
    for before, after in ((np.s_[:-1, :], np.s_[1:, :]), (np.s_[:, :-1], np.s_[:, 1:])):
        differs = (labels[before] != labels[after]) & (labels[before] < classes) & (labels[after] < classes)
        touches[before] |= differs
        touches[after] |= differs
    points = np.argwhere(touches)
    owners = labels[touches]
    return [points[owners == label] for label in range(classes)]


def _f_score(truth: npt.NDArray[np.intp], predicted: npt.NDArray[np.intp], distance: float) -> float:
    if not len(truth):
        return math.nan
    if not len(predicted):
        return 0.0
    precision, recall = _share_near(predicted, truth, distance), _share_near(truth, predicted, distance)
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def _share_near(points: npt.NDArray[np.intp], others: npt.NDArray[np.intp], distance: float) -> float:
    """The share of `points` that have one of `others` within `distance`."""
    from scipy.spatial import KDTree

    # Outlines are few of the pixels, so that a tree of them needs far less memory than a map of distances.
    nearest, _ = KDTree(others).query(points, distance_upper_bound=distance + 1e-6)
    return float(np.isfinite(nearest).mean())
