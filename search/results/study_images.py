"""Images of a study at the size of its network: to verify what is exported, and to calibrate it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from datasets import DataError, Dataset
from datasets.framing import OUTSIDE, Framing, pad_to
from search.errors import UserError
from search.results.trained_network import TrainedTrial
from search.study.prepare import open_data
from search.system.wording import plural

UInt8Array = npt.NDArray[np.uint8]

# Images by which a model is verified, and by which its scores are compared; these need more.
VERIFIED, SCORED = 20, 200
# Images that show the range of every activation.
CALIBRATED = 100
# Bytes of images that are held in memory.
_MOST_BYTES = 2**29


@dataclass(frozen=True)
class StudyImages:
    """Images of one size.

    Attributes:
        images: uint8 `[N, H, W, channels]`.
        masks: class ids `[N, H, W]`; None for images that were made up.
        source: what they are, in words.
    """

    images: UInt8Array
    masks: UInt8Array | None
    source: str


class StudyData:
    """The data of a study, where they can be had on this machine.

    Attributes:
        why_not: why they cannot; "" if they can.
        mirror: pairs of class ids that change places in a mirrored image; None if that is not known.
    """

    def __init__(self, trial: TrainedTrial) -> None:
        self._framing, self._channels = trial.config.data.framing, trial.config.data.channels
        self._dataset: Dataset | None = None
        self.why_not = ""
        try:
            self._dataset = open_data(trial.config, strict=False)
        except UserError as error:
            self.why_not = str(error)

    @property
    def mirror(self) -> tuple[tuple[int, int], ...] | None:
        """See the class."""
        return None if self._dataset is None else tuple(self._dataset.mirror)

    def to_verify(self, most: int) -> StudyImages:
        """Up to `most` validation images, evenly spread; made up ones where there are none."""
        size = self._framing.image_size
        least = min(most, VERIFIED)
        most = max(least, min(most, _MOST_BYTES // (size[0] * size[1] * (self._channels + 1))))
        try:
            found = list(self._samples("val", most))
        except DataError as error:
            self._dataset, self.why_not = None, str(error)
            found = []
        if self._dataset is None or not found:
            images = np.random.default_rng(0).integers(0, 256, (least, *size, self._channels), np.uint8)
            return StudyImages(images, None, f"{plural(least, 'image')} of seeded noise")
        source = f"{plural(len(found), 'validation image')}"
        if len(found) < self._dataset.length("val"):
            source = f"{len(found)} of {plural(self._dataset.length('val'), 'validation image')}"
        images, masks = (np.stack(column) for column in zip(*found, strict=True))
        return StudyImages(images, masks, source)

    def to_calibrate(self) -> Iterator[UInt8Array]:
        """Training images uint8 `[H, W, channels]`, evenly spread. Raises UserError if one cannot be read."""
        try:
            for image, _ in self._samples("train", CALIBRATED):
                yield image
        except DataError as error:
            raise UserError(f"[data] {error}") from None

    def _samples(self, split: str, most: int) -> Iterator[tuple[UInt8Array, UInt8Array]]:
        if self._dataset is None:
            return
        length = self._dataset.length(split)
        for index in sorted({int(place) for place in np.linspace(0, length - 1, min(most, length))}):
            image, mask, _ = self._dataset.read_framed(split, index)
            yield _of_size(image, mask, self._framing, self._dataset.ignore_index)


def _of_size(image: UInt8Array, mask: UInt8Array, framing: Framing, ignore_index: int) -> tuple[UInt8Array, UInt8Array]:
    """The middle of an image that is seen in parts; any other is of the size already."""
    middle = tuple(
        slice(max(0, (whole - side) // 2), max(0, (whole - side) // 2) + side)
        for whole, side in zip(mask.shape, framing.image_size, strict=True)
    )
    return pad_to(image[middle], framing.image_size, OUTSIDE), pad_to(mask[middle], framing.image_size, ignore_index)
