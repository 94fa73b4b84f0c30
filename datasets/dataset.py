"""The interface of every format: named splits of images with canonical masks."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar, NamedTuple

import numpy as np
import numpy.typing as npt

from datasets.framing import Framing
from datasets.statistics import Problem

SPLITS = ("train", "val", "test")
DEFAULT_IGNORE_INDEX = 255

Progress = Callable[[int, int], None]
UInt8Array = npt.NDArray[np.uint8]


class DataError(ValueError):
    """The user's data or data settings are wrong.

    Args:
        message: one or more sentences: what was given, what was expected, and what to do.
        path: the file at fault, if there is one.
        kind: the same for all files with the same fault, so that they can be reported together; "" for none.
    """

    def __init__(self, message: str, path: Path | None = None, kind: str = "") -> None:
        # TensorFlow loses the message of an error that cannot be encoded, such as the name of some file.
        super().__init__(message.encode(errors="backslashreplace").decode())
        self.path = path
        self.kind = kind


class Sample(NamedTuple):
    """One image with its mask, at its stored size.

    `image` is uint8 [H, W, channels], RGB for 3 channels; `mask` is uint8 [H, W] with class ids 0..C-1 and the
    dataset's `ignore_index`.
    """

    image: UInt8Array
    mask: UInt8Array
    name: str


class Dataset(ABC):
    """Images and masks in splits.

    `class_names` are in id order; for binary data they are the background's and the object's. `classes` is the number
    of outputs a network needs: 1 for binary data, otherwise `len(class_names)`. `framing` says how images will be
    brought to the network's input; `read` returns them at their own size. `mirror` are pairs of class ids that change
    places when an image is mirrored. `is_generated` says that the images are drawn, so that there is nothing to check
    in them.
    """

    is_generated: ClassVar[bool] = False

    def __init__(
        self,
        *,
        framing: Framing,
        class_names: tuple[str, ...],
        classes: int,
        ignore_index: int,
        channels: int = 3,
        mirror: tuple[tuple[int, int], ...] = (),
    ) -> None:
        self.framing = framing
        self.class_names = class_names
        self.classes = classes
        self.ignore_index = ignore_index
        self.channels = channels
        self.mirror = mirror

    @property
    def image_size(self) -> tuple[int, int]:
        """(height, width) of the network's input."""
        return self.framing.image_size

    @property
    def splits(self) -> tuple[str, ...]:
        """The splits that contain images, in the order train, val, test."""
        return tuple(split for split in SPLITS if self.length(split))

    @abstractmethod
    def length(self, split: str) -> int:
        """Number of images in `split`; 0 if there is no such split."""

    @abstractmethod
    def read(self, split: str, index: int) -> Sample:
        """The image and mask at `index` of `split`. Safe to call from several threads.

        Raises:
            DataError: a file is missing or unreadable, or the mask does not match the image or the classes.
            IndexError: `split` has no image at `index`.
        """

    def read_framed(self, split: str, index: int) -> Sample:
        """The image and mask at `index` of `split` in the dataset's framing. Raises what `read` does."""
        image, mask, name = self.read(split, index)
        return Sample(self.framing.image(image), self.framing.mask(mask, self.ignore_index), name)

    @abstractmethod
    def fingerprint(self) -> str:
        """A short hash that changes when the data change."""

    def assigned_splits(self) -> dict[str, str] | None:
        """The split of each sample by name, where splits were made and that took reading masks; None elsewhere."""
        return None

    def mask_colors(self) -> dict[int, str]:
        """The colour ("#rrggbb") of each class id, where masks read so far are in colours or have a palette."""
        return {}

    def layout_problems(self) -> list[Problem]:
        """Problems that can be found without opening an image."""
        return []


def check_image_size(image_size: object, key: str = "image_size") -> tuple[int, int]:
    """`image_size` as (height, width); `key` names it in the message.

    Raises:
        DataError: it is not two positive whole numbers.
    """
    sides = tuple(image_size) if isinstance(image_size, (tuple, list)) else ()
    if len(sides) != 2 or not all(isinstance(side, int) and not isinstance(side, bool) and side > 0 for side in sides):
        raise DataError(f"{key} must be [height, width], two positive whole numbers; got {image_size!r}.")
    return sides
