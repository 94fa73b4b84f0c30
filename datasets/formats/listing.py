"""Files of folders, and which image and mask belong together."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from datasets.dataset import DataError
from datasets.formats.files import FilePair
from datasets.statistics import Problem

_COUNTED = 5


class Listing:
    """Lists folders, and collects what is wrong with them in `problems`."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []

    def files(self, folder: Path, suffixes: Sequence[str]) -> dict[str, Path] | None:
        """The files of `folder` with one of the suffixes, by stem; None, with a problem, where there are none.

        Stems are in Unicode's composed form: "é" is one letter whether a file system keeps it as one character or two.
        """
        if not folder.is_dir():
            self.error(f"Folder {folder} is missing; expected {folder.name} as {one_of(suffixes)} files.", folder)
            return None
        files: dict[str, Path] = {}
        others: Counter[str] = Counter()
        for entry in visible_entries(folder):
            if entry.suffix.lower() in suffixes:
                self.add(files, entry)
            else:
                others[entry.suffix or entry.name] += 1
        if not files:
            found = f"; found {_counted(others)}" if others else ""
            self.error(f"Folder {folder} contains no {one_of(suffixes)} files{found}.", folder)
            return None
        self.unused(others, folder, suffixes)
        return files

    def unused(self, others: Counter[str], folder: Path, suffixes: Sequence[str]) -> None:
        """Note how many files of `folder` have suffixes other than those that are read, if any."""
        if others:
            self.warn(f"Not used in {folder}: {_counted(others)} (only {one_of(suffixes)} files are).", folder)

    def add(self, files: dict[str, Path], entry: Path, suffix: str = "") -> None:
        """Add a file by its stem, less `suffix`; a problem, where there is one of that name already."""
        name = unicodedata.normalize("NFC", entry.stem).removesuffix(suffix)
        if name in files:
            form = "" if entry.stem == files[name].stem else " in two Unicode forms"
            self.error(
                f"{files[name]} and {entry.name} have the same name{form}; keep one of them.", entry, "same name"
            )
        else:
            files[name] = entry

    def match(
        self, images: Mapping[str, Path], masks: Mapping[str, Path], expected: Callable[[str], Path]
    ) -> list[FilePair]:
        """The images that have a mask, by name; problems for the others. `expected` is where a mask would be."""
        for name in sorted(images.keys() - masks.keys()):
            self.error(f"Image {images[name]} has no mask; expected {expected(name)}.", images[name], "no mask")
        for name in sorted(masks.keys() - images.keys()):
            self.warn(f"Mask {masks[name]} has no image and is not used.", masks[name], "no image")
        return sorted(FilePair(images[name].stem, images[name], masks[name]) for name in images.keys() & masks.keys())

    def error(self, message: str, path: Path, kind: str = "") -> None:
        """Note what would break training."""
        self.problems.append(Problem("error", message, path, kind))

    def warn(self, message: str, path: Path, kind: str = "") -> None:
        """Note what may not be meant."""
        self.problems.append(Problem("warning", message, path, kind))


def listed_names(list_file: Path) -> list[str]:
    """The samples that a list names, one in each line: by name, or by the paths of image and mask.

    Raises:
        DataError: it cannot be read.
    """
    try:
        lines = list_file.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"Cannot read {list_file}: {error}.", list_file) from error
    # Paths start with a slash, such as "/JPEGImages/a.jpg /SegmentationClassAug/a.png"; names may contain spaces.
    return [Path(line.split()[0]).stem if line.startswith("/") else line.strip() for line in lines if line.strip()]


def visible_entries(folder: Path) -> list[Path]:
    """What `folder` holds, but for hidden files such as .DS_Store, which macOS adds.

    Raises:
        DataError: it cannot be listed.
    """
    try:
        # Sorted, because file systems list their entries in different orders.
        return [entry for entry in sorted(folder.iterdir()) if not entry.name.startswith(".")]
    except OSError as error:
        raise DataError(f"Cannot list {folder}: {error.strerror}.", folder) from error


def one_of(suffixes: Sequence[str]) -> str:
    """Suffixes in words."""
    return f"{', '.join(suffixes[:-1])} or {suffixes[-1]}"


def _counted(suffixes: Counter[str]) -> str:
    return ", ".join(f"{count} {suffix}" for suffix, count in suffixes.most_common(_COUNTED))
