"""Results of checking a dataset as plain data: problems, and the contents of each split."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

Severity = Literal["error", "warning"]

_NAMED = 3


class Problem(NamedTuple):
    """Something that would break (error) or bias (warning) training.

    Attributes:
        severity: which of the two.
        message: what is wrong, and what to do.
        path: of the file or folder at fault, if it is one.
        kind: the same for all files with the same fault; "" for what is not to be grouped.
    """

    severity: Severity
    message: str
    path: Path | None = None
    kind: str = ""


def grouped(problems: Iterable[Problem]) -> list[Problem]:
    """`problems` with those of one kind as one: the first, preceded by how many files have it and three names."""
    groups: dict[object, list[Problem]] = {}
    for number, problem in enumerate(problems):
        groups.setdefault((problem.severity, problem.kind) if problem.kind else number, []).append(problem)
    return [_one(group) for group in groups.values()]


def _one(group: list[Problem]) -> Problem:
    first = group[0]
    if len({problem.message for problem in group}) == 1:
        return first
    names = [problem.path.name for problem in group if problem.path is not None][:_NAMED]
    more = ", ..." if len(group) > len(names) else ""
    return first._replace(message=f"{len(group)} files ({', '.join(names)}{more}): {first.message}")


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
