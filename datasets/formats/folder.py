"""Images and masks in folders: PATH/{train,val[,test]}/{images,masks}/STEM.{jpg,png} and an optional classes.json."""

from __future__ import annotations

import unicodedata
from collections import Counter
from pathlib import Path

from datasets.dataset import SPLITS, DataError
from datasets.formats.classes import read_labels
from datasets.formats.files import FileFormat, FilePair
from datasets.formats.format import DataSettings
from datasets.formats.masks import MASK_SUFFIXES
from datasets.images import IMAGE_SUFFIXES
from datasets.statistics import Problem

_REQUIRED = ("train", "val")


class FolderDataset(FileFormat):
    """Images and masks in folders.

    Opening a dataset lists the folders and reads classes.json, but no images. Images and masks are matched by their
    stems; "é" is one letter whether a file system keeps it as one character or as two.

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
        labels = read_labels(path, settings.classes, settings.ignore_index)
        layout = _Layout(path)
        super().__init__(settings, labels, layout.pairs, layout.problems)


class _Layout:
    """The pairs of each split in a folder, and what is wrong with its files."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.problems: list[Problem] = []
        self.pairs = {
            split: self._list_split(split) for split in SPLITS if split in _REQUIRED or (path / split).exists()
        }

    def _list_split(self, split: str) -> list[FilePair]:
        folder = self.path / split
        if not folder.is_dir():
            found = ", ".join(entry.name for entry in _entries(self.path) if entry.is_dir()) or "none"
            self._error(f"Split {split}/ is missing in {self.path}; expected train/ and val/, found: {found}.", folder)
            return []
        images = self._list_files(folder / "images", IMAGE_SUFFIXES)
        masks = self._list_files(folder / "masks", MASK_SUFFIXES)
        if images is None or masks is None:
            return []
        for name in sorted(images.keys() - masks.keys()):
            self._error(f"Image {images[name]} has no mask; expected {folder / 'masks' / name}.png.", images[name])
        for name in sorted(masks.keys() - images.keys()):
            self._warn(f"Mask {masks[name]} has no image and is not used.", masks[name])
        return sorted(FilePair(images[name].stem, images[name], masks[name]) for name in images.keys() & masks.keys())

    def _list_files(self, folder: Path, suffixes: tuple[str, ...]) -> dict[str, Path] | None:
        """The files of `folder` by normalized stem; None, with the problem recorded, if there are none."""
        if not folder.is_dir():
            self._error(f"Folder {folder} is missing; expected {folder.name} as {_listed(suffixes)} files.", folder)
            return None
        files: dict[str, Path] = {}
        others: Counter[str] = Counter()
        for entry in _entries(folder):
            if entry.name.startswith("."):  # such as .DS_Store, which macOS adds
                continue
            if entry.suffix.lower() not in suffixes:
                others[entry.suffix or entry.name] += 1
            elif (name := unicodedata.normalize("NFC", entry.stem)) in files:
                form = "" if entry.stem == files[name].stem else " in two Unicode forms"
                self._error(f"{files[name]} and {entry.name} have the same name{form}; keep one of them.", entry)
            else:
                files[name] = entry
        unread = ", ".join(f"{count} {suffix}" for suffix, count in others.most_common(5))
        if not files:
            found = f"; found {unread}" if unread else ""
            self._error(f"Folder {folder} contains no {_listed(suffixes)} files{found}.", folder)
            return None
        if others:
            self._warn(f"Not used in {folder}: {unread} (only {_listed(suffixes)} files are).", folder)
        return files

    def _error(self, message: str, path: Path) -> None:
        self.problems.append(Problem("error", message, path))

    def _warn(self, message: str, path: Path) -> None:
        self.problems.append(Problem("warning", message, path))


def _entries(folder: Path) -> list[Path]:
    try:
        # Sorted, because file systems list their entries in different orders.
        return sorted(folder.iterdir())
    except OSError as error:
        raise DataError(f"Cannot list {folder}: {error.strerror}.", folder) from error


def _listed(suffixes: tuple[str, ...]) -> str:
    return " or ".join(suffixes)
