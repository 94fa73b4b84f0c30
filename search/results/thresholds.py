"""Which probability should count as the object, in binary segmentation."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from deeplab.scoring import scores

# A power of two, so that 0.5 is one of the thresholds, and is compared exactly.
STEPS = 1024


class ProbabilityCounts:
    """Counts of the probabilities of background and object pixels, from which every threshold's confusion follows."""

    def __init__(self) -> None:
        self._counts = np.zeros((2, STEPS + 1), np.int64)

    @property
    def total(self) -> int:
        """The number of pixels that were added."""
        return int(self._counts.sum())

    def add(self, truth: npt.NDArray[np.uint8], probabilities: npt.NDArray[np.float32]) -> None:
        """Add pixels: class ids and probabilities of the object, arrays of one shape; ids above 1 are ignored."""
        # A probability is above the threshold k / STEPS exactly where its bin is above k.
        bins = np.ceil(probabilities * np.float32(STEPS)).astype(np.int64).clip(0, STEPS)
        for label in (0, 1):
            self._counts[label] += np.bincount(bins[truth == label], minlength=STEPS + 1)

    def confusion(self, threshold: float) -> npt.NDArray[np.int64]:
        """The confusion matrix `[2, 2]` if probabilities above `threshold`, a multiple of 1 / STEPS, are the object."""
        place = round(threshold * STEPS) + 1
        return np.stack([self._counts[:, :place].sum(axis=1), self._counts[:, place:].sum(axis=1)], axis=1)

    def mean_iou(self, threshold: float) -> float:
        """The mean IoU of background and object at a threshold."""
        return scores(self.confusion(threshold), ("background", "object"))["mean_iou"]

    def best(self) -> float:
        """The threshold with the highest mean IoU; of equal ones the nearest to 0.5."""
        thresholds = [step / STEPS for step in range(1, STEPS)]
        return max(thresholds, key=lambda threshold: (self.mean_iou(threshold), -abs(threshold - 0.5)))
