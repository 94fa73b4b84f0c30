"""Results of checking a dataset as plain data: problems, and the contents of each split."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

Severity = Literal["error", "warning"]


class Problem(NamedTuple):
    """Something that would break (error) or bias (warning) training; `path` if one file or folder is at fault."""

    severity: Severity
    message: str
    path: Path | None = None


@dataclass(frozen=True)
class ClassStatistics:
    """One class in one split.

    Attributes:
        name: of the class.
        pixels: how many it has.
        share: its fraction of the labelled pixels.
        images: how many contain it.
        kept_images: how many still contain it at the size trained.
        width: of its areas on average, in pixels as stored; None if it fills every image in which it occurs.
        objects: its connected areas in the images in which these were told apart.
        kept_objects: those of which something is left at the size trained.
        lost_share: the others' share of the pixels of all of them.
        object_size: the side of a square as large as the average object; None if there are none.
    """

    name: str
    pixels: int
    share: float
    images: int
    kept_images: int
    width: float | None
    objects: int
    kept_objects: int
    lost_share: float
    object_size: float | None


@dataclass(frozen=True)
class SplitStatistics:
    """The contents of a split; `sizes` counts the images of each (height, width), the most common first."""

    split: str
    images: int
    sizes: tuple[tuple[tuple[int, int], int], ...]
    ignored_share: float
    classes: tuple[ClassStatistics, ...]


@dataclass(frozen=True)
class DataStatistics:
    """Statistics of each split that contains images, in the order train, val, test. Omits unreadable images."""

    splits: tuple[SplitStatistics, ...]

    def split(self, name: str) -> SplitStatistics | None:
        """The statistics of split `name`, or None if it contains no images."""
        return next((split for split in self.splits if split.split == name), None)
