"""Images and masks in folders: PATH/{train,val[,test]}/{images,masks}/STEM.{jpg,png} and an optional classes.json."""

from __future__ import annotations

import hashlib
import threading
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import numpy as np

from datasets.dataset import SPLITS, DataError, Sample, UInt8Array
from datasets.formats.classes import Labels, read_labels
from datasets.formats.format import DataSettings, Format
from datasets.images import IMAGE_SUFFIXES, MASK_SUFFIXES, read_image, read_mask
from datasets.statistics import Problem

_REQUIRED = ("train", "val")
_TAIL_BYTES = 4096
_MOST_LISTED = 10


class _Pair(NamedTuple):
    stem: str
    image: Path
    mask: Path


class FolderDataset(Format):
    """Images and masks in folders.

    Opening a dataset lists the folders and reads classes.json, but no images. Images and masks are matched by their
    stems.

    Args:
        settings: `path` is the folder that contains train, val and optionally test. Without `strict`, complete pairs
            can be read whatever else is wrong with the layout.

    Raises:
        DataError: the folder is missing, the classes are wrong or unknown, or (with `strict`) the layout is wrong.
    """

    def __init__(self, settings: DataSettings) -> None:
        path = settings.path
        if not path.is_dir():
            given = "is a file" if path.exists() else "does not exist"
            raise DataError(f"Data folder {path} {given}; expected a folder that contains train/ and val/.", path)
        self.path = path
        labels: Labels = read_labels(path, settings.classes, settings.ignore_index)
        super().__init__(
            image_size=settings.image_size,
            class_names=labels.names,
            classes=labels.classes,
            ignore_index=labels.ignore_index,
        )
        self._pairs: dict[str, list[_Pair]] = {}
        self._problems: list[Problem] = []
        for split in SPLITS:
            if split in _REQUIRED or (path / split).exists():
                self._pairs[split] = self._list_split(split)
        if settings.strict:
            self._raise_on_errors()
        self._white_means_object: bool | None = None
        self._deciding = threading.Lock()

    def length(self, split: str) -> int:
        """Number of images in `split`."""
        return len(self._pairs.get(split, ()))

    def read(self, split: str, index: int) -> Sample:
        """The image and mask at `index` of `split`, in the order of the file names, at their own size.

        Raises:
            DataError: a file is missing or unreadable, sizes differ, or the mask contains a value that is not a class.
            IndexError: `split` has no image at `index`.
        """
        self.check_index(split, index)
        stem, image_path, mask_path = self._pairs[split][index]
        image = read_image(image_path)
        mask = self._canonical(read_mask(mask_path), mask_path)
        if image.shape[:2] != mask.shape:
            raise DataError(
                f"Image {image_path} is {image.shape[0]}x{image.shape[1]} (height x width, after its EXIF rotation), "
                f"its mask {mask_path} is {mask.shape[0]}x{mask.shape[1]}; they must have the same size.",
                mask_path,
            )
        return Sample(image, mask, stem)

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
        """Missing or empty splits, images without masks, masks without images, duplicate names, unused files."""
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

    def _list_split(self, split: str) -> list[_Pair]:
        folder = self.path / split
        if not folder.is_dir():
            found = ", ".join(entry.name for entry in _entries(self.path) if entry.is_dir()) or "none"
            self._error(f"Split {split}/ is missing in {self.path}; expected train/ and val/, found: {found}.", folder)
            return []
        images = self._list_files(folder / "images", IMAGE_SUFFIXES)
        masks = self._list_files(folder / "masks", MASK_SUFFIXES)
        if images is None or masks is None:
            return []
        for stem in sorted(images.keys() - masks.keys()):
            self._error(f"Image {images[stem]} has no mask; expected {folder / 'masks' / stem}.png.", images[stem])
        for stem in sorted(masks.keys() - images.keys()):
            self._warn(f"Mask {masks[stem]} has no image and is not used.", masks[stem])
        return [_Pair(stem, images[stem], masks[stem]) for stem in sorted(images.keys() & masks.keys())]

    def _list_files(self, folder: Path, suffixes: tuple[str, ...]) -> dict[str, Path] | None:
        """The files of `folder` by stem; None, with the problem recorded, if there are none."""
        if not folder.is_dir():
            self._error(f"Folder {folder} is missing; expected {folder.name} as {_listed(suffixes)} files.", folder)
            return None
        files: dict[str, Path] = {}
        others: Counter[str] = Counter()
        for entry in _entries(folder):
            if entry.name.startswith("."):
                continue
            if entry.suffix.lower() not in suffixes:
                others[entry.suffix or entry.name] += 1
            elif entry.stem in files:
                self._error(f"{files[entry.stem]} and {entry.name} have the same name; keep one of them.", entry)
            else:
                files[entry.stem] = entry
        unread = ", ".join(f"{count} {suffix}" for suffix, count in others.most_common(5))
        if not files:
            found = f"; found {unread}" if unread else ""
            self._error(f"Folder {folder} contains no {_listed(suffixes)} files{found}.", folder)
            return None
        if others:
            self._warn(f"Not used in {folder}: {unread} (only {_listed(suffixes)} files are).", folder)
        return files

    def _error(self, message: str, path: Path) -> None:
        self._problems.append(Problem("error", message, path))

    def _warn(self, message: str, path: Path) -> None:
        self._problems.append(Problem("warning", message, path))

    def _raise_on_errors(self) -> None:
        errors = [problem for problem in self._problems if problem.severity == "error"]
        if not errors:
            return
        lines = [problem.message for problem in errors[:_MOST_LISTED]]
        if len(errors) > _MOST_LISTED:
            lines.append(f"... and {len(errors) - _MOST_LISTED} more.")
        raise DataError("\n".join(lines), errors[0].path)


def _entries(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError as error:
        raise DataError(f"Cannot list {folder}: {error.strerror}.", folder) from error


def _values(mask: UInt8Array) -> set[int]:
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


def _listed(suffixes: tuple[str, ...]) -> str:
    return " or ".join(suffixes)
