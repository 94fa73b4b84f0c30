"""Data in files: pairs of an image file and a mask file in splits, read in one way whatever lists them."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from datasets.dataset import DataError, Sample, UInt8Array
from datasets.formats.classes import Labels
from datasets.formats.format import DataSettings, Format
from datasets.images import read_image, read_mask
from datasets.statistics import Problem

_TAIL_BYTES = 4096
_MOST_LISTED = 10


class FilePair(NamedTuple):
    """An image and its mask; `name` is what a user would call the sample."""

    name: str
    image: Path
    mask: Path


class FileFormat(Format):
    """A format whose samples are pairs of files.

    Args:
        settings: what every format is opened with.
        labels: what the values of the masks mean.
        pairs: the samples of each split, in the order in which they are read.
        problems: what shows without opening an image; with `settings.strict`, errors among them are raised.

    Raises:
        DataError: with `settings.strict`, for the errors among `problems`.
    """

    def __init__(
        self,
        settings: DataSettings,
        labels: Labels,
        pairs: Mapping[str, Sequence[FilePair]],
        problems: Iterable[Problem] = (),
    ) -> None:
        super().__init__(settings, labels)
        self.path = settings.path
        self._pairs = {split: list(listed) for split, listed in pairs.items()}
        self._problems = list(problems)
        if settings.strict:
            _raise_errors(self._problems)
        self._white_means_object: bool | None = None
        self._deciding = threading.Lock()

    def length(self, split: str) -> int:
        """Number of images in `split`."""
        return len(self._pairs.get(split, ()))

    def read(self, split: str, index: int) -> Sample:
        """The image and mask at `index` of `split`, at their own size.

        Raises:
            DataError: a file is missing or unreadable, sizes differ, or the mask contains a value that is not a class.
            IndexError: `split` has no image at `index`.
        """
        self.check_index(split, index)
        name, image_path, mask_path = self._pairs[split][index]
        image = read_image(image_path)
        mask = self._canonical(read_mask(mask_path), mask_path)
        if image.shape[:2] != mask.shape:
            raise DataError(
                f"Image {image_path} is {image.shape[0]}x{image.shape[1]} (height x width, after its EXIF rotation), "
                f"its mask {mask_path} is {mask.shape[0]}x{mask.shape[1]}; they must have the same size.",
                mask_path,
            )
        return Sample(image, mask, name)

    def fingerprint(self) -> str:
        """A short hash of the classes, the names and sizes of all images and masks, and the last 4 KiB of each file.

        Modification times are left out, so a copy has the same fingerprint as the original. The end of a PNG contains
        the checksum of its pixels, and JPEG's entropy coding propagates a change to the end, so edits are detected
        without reading whole files.
        """
        digest = hashlib.sha256(repr((self.class_names, self.classes, self.ignore_index)).encode())
        for split, pairs in self._pairs.items():
            for pair in pairs:
                for file in (pair.image, pair.mask):
                    digest.update(repr((split, file.parent.name, file.name)).encode())
                    digest.update(_size_and_tail(file))
        return digest.hexdigest()[:16]

    def layout_problems(self) -> list[Problem]:
        """What is wrong with the files, as far as it shows without opening one."""
        return list(self._problems)

    def _canonical(self, mask: UInt8Array, path: Path) -> UInt8Array:
        """`mask`, checked to contain only class ids and the ignore index; 255 becomes 1 if it means the object."""
        if len(self.class_names) == 2 and _holds_white_alone(mask) and self._white_is_object():
            return np.minimum(mask, 1)
        self.check_mask(mask, path)
        return mask

    def _white_is_object(self) -> bool:
        """Whether 255 is the object: in binary data, if no mask of any split contains anything but 0 and 255.

        A single mask is not enough to decide (255 may mark its ignored pixels), so the first such mask triggers a
        look at all the others. Other threads wait for the answer.
        """
        with self._deciding:
            if self._white_means_object is None:
                self._white_means_object = self.classes == 1 and all(
                    _is_black_and_white(pair.mask) for pairs in self._pairs.values() for pair in pairs
                )
            return self._white_means_object


def _raise_errors(problems: Sequence[Problem]) -> None:
    errors = [problem for problem in problems if problem.severity == "error"]
    if not errors:
        return
    lines = [problem.message for problem in errors[:_MOST_LISTED]]
    if len(errors) > _MOST_LISTED:
        lines.append(f"... and {len(errors) - _MOST_LISTED} more.")
    raise DataError("\n".join(lines), errors[0].path)


def _values(mask: UInt8Array) -> set[int]:
    # Counting needs one pass; `np.unique` would sort all pixels.
    return set(np.flatnonzero(np.bincount(mask.ravel(), minlength=256)).tolist())


def _holds_white_alone(mask: UInt8Array) -> bool:
    """Whether a mask holds 255, and nothing else but 0."""
    values = _values(mask)
    return 255 in values and values <= {0, 255}


def _is_black_and_white(path: Path) -> bool:
    """Whether a mask contains only 0 and 255. True for an unreadable one: the error is reported when it is read."""
    try:
        return _values(read_mask(path)) <= {0, 255}
    except DataError:
        return True


def _size_and_tail(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(0, size - _TAIL_BYTES))
            return size.to_bytes(8, "big") + file.read()
    except OSError as error:
        raise DataError(f"Cannot read {path}: {error.strerror}.", path) from error
