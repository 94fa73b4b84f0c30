"""Overlapping tiles of an image, and how what is predicted in them is blended."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float32]

# Neighbours share at least a quarter of a tile.
_LARGEST_STEP = 0.75
# Tiles start at multiples of the largest stride, so that a network's cells lie where they do in the whole image; of
# less where tiles are so small that they would hardly overlap.
_STRIDE = 32


@dataclass(frozen=True)
class TiledAxis:
    """One axis of an image in overlapping tiles.

    Attributes:
        length: of the axis, in pixels, at least `tile`.
        tile: length of a tile.
    """

    length: int
    tile: int

    @cached_property
    def starts(self) -> list[int]:
        """Where the tiles start, evenly spread; the last ends where the axis does."""
        rest = self.length - self.tile
        stride = min(_STRIDE, 2 ** int(math.log2(max(4, self.tile)) - 2))
        # Rounding to the stride makes the last step longer.
        count = math.ceil(rest / (_LARGEST_STEP * self.tile - stride)) + 1
        even = np.linspace(0, rest, count)[:-1]
        return [*dict.fromkeys(int(start) // stride * stride for start in even), rest] if rest else [0]

    def weights(self, number: int) -> FloatArray:
        """Weights of a tile's pixels, `[tile]`; those of all tiles that cover a pixel add up to 1.

        At a border to a neighbour, a quarter of what both share counts for nothing, as the tile lacks the surroundings
        there; then the weight rises evenly until the neighbour's has fallen to nothing.
        """
        start = self.starts[number]
        return self._raw(number) / self._total[start : start + self.tile]

    @cached_property
    def _total(self) -> FloatArray:
        """The sum of all tiles' weights; not 1 where three of them meet."""
        total = np.zeros(self.length, np.float32)
        for number, start in enumerate(self.starts):
            total[start : start + self.tile] += self._raw(number)
        return total

    def _raw(self, number: int) -> FloatArray:
        """Weights that add up to 1 as long as only neighbours overlap."""
        weights = np.ones(self.tile, np.float32)
        place = np.arange(self.tile, dtype=np.float32) + 0.5
        if number > 0:
            shared = self.starts[number - 1] + self.tile - self.starts[number]
            weights *= _rise(place, shared)
        if number < len(self.starts) - 1:
            shared = self.starts[number] + self.tile - self.starts[number + 1]
            weights *= _rise(self.tile - place, shared)
        return weights


def _rise(place: FloatArray, shared: int) -> FloatArray:
    """From 0 at a quarter of the shared pixels to 1 at three quarters."""
    return np.clip((place - shared / 4) / (shared / 2), 0, 1).astype(np.float32)
