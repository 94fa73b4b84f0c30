"""What a format is: a class of datasets that a study file can name."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from datasets.dataset import DataError, Dataset, Progress, UInt8Array
from datasets.formats.classes import Labels
from datasets.framing import Framing
from datasets.images import ImageReading

_MOST_LISTED = 10


class SplitSettings(BaseModel):
    """`[data] split`: how train, val and test are made of data that come without them.

    Attributes:
        val, test: shares of the images.
        group: a regular expression; images in whose names it matches the same text stay in one split.
        seed: of what is left to chance; not the study's, so that studies with other seeds compare on the same images.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    val: float = Field(gt=0, lt=1)
    test: float = Field(default=0.0, ge=0, lt=1)
    group: str | None = None
    seed: int = Field(default=0, ge=0)

    @field_validator("group")
    @classmethod
    def _is_pattern(cls, group: str | None) -> str | None:
        try:
            re.compile(group or "")
        except re.error as error:
            raise ValueError(f"given {group!r}, which is no regular expression: {error}") from None
        return group

    @model_validator(mode="after")
    def _leaves_some_to_train(self) -> SplitSettings:
        if self.val + self.test >= 1:
            raise ValueError(
                f"val and test leave nothing to train: together {self.val + self.test:g}, expected below 1"
            )
        return self


class FormatOptions(BaseModel):
    """Keys of `[data]` that one format alone takes. Each is optional; None stands for one that is not given."""


@dataclass(frozen=True)
class DataSettings:
    """What every format is opened with.

    Attributes:
        framing: how images will be brought to the network's input.
        path: the data's folder or file; meaningless where the format needs none.
        classes: number of outputs, 1 for binary data; None uses the value from the data.
        ignore_index: mask value that no loss or metric counts; None uses the value from the data, else 255.
        reading: how image files become arrays.
        mask_suffix: what a mask's stem has after its image's.
        split: how splits are made of data that have none.
        assigned: the split of each sample by name, where it was made before: stratifying reads all masks.
        seed: of generated data.
        strict: raise on everything that shows without opening an image; else report it by `layout_problems`.
        progress: called with (masks read, masks in total) where splits are made.
    """

    framing: Framing
    path: Path = Path()
    classes: int | None = None
    ignore_index: int | None = None
    reading: ImageReading = field(default_factory=ImageReading)
    mask_suffix: str = ""
    split: SplitSettings | None = None
    assigned: Mapping[str, str] | None = None
    seed: int = 0
    strict: bool = True
    progress: Progress | None = None


class Format(Dataset):
    """A dataset that `open_dataset` makes: its constructor takes `DataSettings`, then its options by name.

    `options` declares the keys of `[data]` that this format alone takes, `needs_path` whether it reads from a path. The
    constructor reads no image, except that masks are read to make splits, and raises `DataError` for whatever is wrong
    with the settings or the data.
    """

    options: ClassVar[type[FormatOptions]] = FormatOptions
    needs_path: ClassVar[bool] = True

    def __init__(self, settings: DataSettings, labels: Labels) -> None:
        super().__init__(
            framing=settings.framing,
            class_names=labels.names,
            classes=labels.classes,
            ignore_index=labels.ignore_index,
            channels=settings.reading.channels,
            mirror=labels.mirror,
        )

    @classmethod
    def recognizes(cls, path: Path) -> bool:  # noqa: ARG003 - for formats that have a sign of their own
        """Whether the data at `path` have this format's own sign, such as a folder that no other format has."""
        return False

    def check_index(self, split: str, index: int) -> None:
        """Raises IndexError where `split` has no image at `index`."""
        if not 0 <= index < self.length(split):
            raise IndexError(f"Split {split!r} has {self.length(split)} images; no index {index}.")

    def check_mask(self, mask: UInt8Array, path: Path) -> None:
        """Raises DataError where a mask, read from `path`, holds anything but class ids and the ignore index."""
        count = len(self.class_names)
        values = np.flatnonzero(np.bincount(mask.ravel(), minlength=256))
        wrong = [int(value) for value in values if value >= count and value != self.ignore_index]
        if wrong:
            listed = ", ".join(map(str, wrong[:_MOST_LISTED])) + (", ..." if len(wrong) > _MOST_LISTED else "")
            raise DataError(
                f"Mask {path} contains the values {listed}; expected class ids 0 to {count - 1} "
                f"({', '.join(self.class_names[:_MOST_LISTED])}{', ...' if count > _MOST_LISTED else ''}) "
                f"or {self.ignore_index} (ignored).",
                path,
            )
