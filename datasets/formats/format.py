"""What a format is: a class of datasets that a study file can name."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from pydantic import BaseModel

from datasets.dataset import Dataset


class FormatOptions(BaseModel):
    """Keys of `[data]` that one format alone takes. Each is optional; None stands for one that is not given."""


@dataclass(frozen=True)
class DataSettings:
    """What every format is opened with.

    Attributes:
        image_size: (height, width) that images will be resized to.
        path: the data's folder or file; meaningless where the format needs none.
        classes: number of outputs, 1 for binary data; None uses the value from the data.
        ignore_index: mask value that no loss or metric counts; None uses the value from the data, else 255.
        seed: of generated data.
        strict: raise on everything that shows without opening an image; else report it by `layout_problems`.
    """

    image_size: tuple[int, int]
    path: Path = Path()
    classes: int | None = None
    ignore_index: int | None = None
    seed: int = 0
    strict: bool = True


class Format(Dataset):
    """A dataset that `open_dataset` makes: its constructor takes `DataSettings`, then its options by name.

    `options` declares the keys of `[data]` that this format alone takes, `needs_path` whether it reads from a path. The
    constructor reads no image and raises `DataError` for whatever is wrong with the settings or the data.
    """

    options: ClassVar[type[FormatOptions]] = FormatOptions
    needs_path: ClassVar[bool] = True
