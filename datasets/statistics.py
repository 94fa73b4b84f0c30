"""Plain results of looking a dataset over: problems, and what each split holds."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

Severity = Literal["error", "warning"]


class Problem(NamedTuple):
    """One thing that would break (error) or bias (warning) training; `path` where one file or folder is at fault."""

    severity: Severity
    message: str
    path: Path | None = None


@dataclass(frozen=True)
class ClassStatistics:
    """One class in one split; `share` is of the pixels not ignored, `images` counts those that contain the class."""

    name: str
    pixels: int
    share: float
    images: int


@dataclass(frozen=True)
class SplitStatistics:
    """What a split holds; `sizes` counts the images of each (height, width), the commonest first."""

    split: str
    images: int
    sizes: tuple[tuple[tuple[int, int], int], ...]
    ignored_share: float
    classes: tuple[ClassStatistics, ...]


@dataclass(frozen=True)
class DataStatistics:
    """Statistics of each split that holds images, in the order train, val, test. Unreadable images are left out."""

    splits: tuple[SplitStatistics, ...]

    def split(self, name: str) -> SplitStatistics | None:
        """The statistics of split `name`, or None where it holds no images."""
        return next((split for split in self.splits if split.split == name), None)
