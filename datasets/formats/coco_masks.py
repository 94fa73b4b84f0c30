"""Masks of COCO's annotations: polygons, run-length encodings, and panoptic PNGs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from datasets.dataset import DataError, UInt8Array
from datasets.decoding import read_stored

_LEAST_COORDINATES = 6  # of a polygon with an area


class Instances(NamedTuple):
    """The objects of one image.

    Attributes:
        file: the annotations.
        name: of the image.
        size: (height, width) of the image.
        shapes: segmentations with their class ids.
        crowds: which of them are crowds.
    """

    file: Path
    name: str
    size: tuple[int, int]
    shapes: Sequence[tuple[Any, int]]
    crowds: Sequence[bool]

    def mask(self) -> UInt8Array:
        """Class ids `[H, W]`; 0 where there is no object. Raises DataError where a segmentation cannot be drawn."""
        from pycocotools import mask as encoding

        drawn = np.zeros(self.size, np.uint8)
        encoded = [(self._encoded(segmentation), index) for segmentation, index in self.shapes]
        areas = [int(encoding.area(one)) for one, _ in encoded]
        # Crowds first, for what they cover is unknown only where no object lies; then large objects before small ones.
        order = sorted(range(len(encoded)), key=lambda place: (not self.crowds[place], -areas[place]))
        for place in order:
            one, index = encoded[place]
            drawn[encoding.decode(one).astype(np.bool_)] = index
        return drawn

    def _encoded(self, segmentation: Any) -> Any:
        """A segmentation as pycocotools's run-length encoding."""
        from pycocotools import mask as encoding

        height, width = self.size
        try:
            if not isinstance(segmentation, dict):
                # pycocotools takes four numbers for a box.
                polygons = [polygon for polygon in segmentation if len(polygon) >= _LEAST_COORDINATES]
                nothing = {"size": [height, width], "counts": [height * width]}
                return encoding.merge(encoding.frPyObjects(polygons or [nothing], height, width))
            if list(segmentation["size"]) != [height, width]:
                raise ValueError(f"it is for an image of {segmentation['size']}, not of {[height, width]}")
            counts = segmentation["counts"]
            if not isinstance(counts, list):
                return segmentation
            if sum(counts) != height * width:
                raise ValueError(f"its runs cover {sum(counts)} pixels, not {height * width}")
            return encoding.frPyObjects(segmentation, height, width)
        except Exception as error:  # of many kinds, for damaged encodings
            raise DataError(
                f"{self.file}: a segmentation of {self.name} cannot be drawn: {error}. Expected polygons or a "
                "run-length encoding.",
                self.file,
                "broken segmentation",
            ) from error


class Panoptic(NamedTuple):
    """A PNG whose colours are numbers of segments: red + 256 green + 65536 blue.

    Attributes:
        file: the PNG.
        segments: class id, or the one to ignore, of each segment.
        ignored: the class id of pixels without a segment.
    """

    file: Path
    segments: Mapping[int, int]
    ignored: int

    def mask(self) -> UInt8Array:
        """Class ids `[H, W]`. Raises DataError where a segment is unknown."""
        stored = read_stored(self.file, "mask")
        if stored.pixels.dtype != np.uint8 or stored.pixels.shape[2] != 3:
            raise DataError(f"Mask {self.file} is not RGB; expected COCO's panoptic PNG.", self.file, "not RGB")
        red, green, blue = (stored.pixels[..., channel].astype(np.int64) for channel in range(3))
        numbers, places = np.unique(red + 256 * green + 65536 * blue, return_inverse=True)
        known = {0: self.ignored, **self.segments}
        unknown = [int(number) for number in numbers if int(number) not in known]
        if unknown:
            raise DataError(
                f"Mask {self.file} holds segment {unknown[0]}, which its annotations do not list.", self.file, "segment"
            )
        return np.array([known[int(number)] for number in numbers], np.uint8)[places].reshape(red.shape)
