"""Images and masks in folders, in the layouts that people keep them in."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from datasets.dataset import SPLITS, DataError
from datasets.formats.classes import read_labels
from datasets.formats.files import FileFormat, FilePair
from datasets.formats.format import DataSettings
from datasets.formats.listing import Listing, visible_entries
from datasets.formats.masks import MASK_SUFFIXES
from datasets.formats.splits import UNSPLIT
from datasets.images import IMAGE_SUFFIXES

# What a split's folder may be called.
SPLIT_NAMES = {"train": ("train",), "val": ("val", "valid", "validation"), "test": ("test",)}
SPLIT_OF_NAME = {name: split for split, names in SPLIT_NAMES.items() for name in names}

# Images in these, beside a mask of the same name, are told apart from it: masks are never kept with losses.
_WITH_LOSSES = (".jpg", ".jpeg", ".webp")


class FolderDataset(FileFormat):
    """Images and masks in folders.

    Opening a dataset lists the folders and reads classes.json, but no images, except that masks are read to make
    splits. Splits are folders, above or below images/ and masks/, or are made; images and masks may also lie side by
    side. They are matched by their stems.

    Args:
        settings: `path` is the folder. Without `strict`, complete pairs can be read whatever else is wrong with the
            layout.

    Raises:
        DataError: the folder is missing, the classes are wrong or unknown, or (with `strict`) the layout is wrong.
    """

    def __init__(self, settings: DataSettings) -> None:
        path = settings.path
        if not path.is_dir():
            given = "is a file" if path.exists() else "does not exist"
            raise DataError(f"Data folder {path} {given}; expected a folder that contains train/ and val/.", path)
        labels = read_labels(path, settings.classes, settings.ignore_index)
        layout = _Layout(settings)
        super().__init__(settings, labels, layout.pairs(), layout.listing.problems)


class _Layout:
    """Finds the pairs of a folder, whichever of the layouts it has."""

    def __init__(self, settings: DataSettings) -> None:
        self._path = settings.path
        self._suffix = unicodedata.normalize("NFC", settings.mask_suffix)
        self._makes_splits = settings.split is not None
        self.listing = Listing()

    def pairs(self) -> dict[str, list[FilePair]]:
        """The pairs of each split, or of `UNSPLIT`."""
        path = self._path
        has_both = (path / "images").is_dir() and (path / "masks").is_dir()
        if above := self._split_folders(path):
            if has_both:
                beside = ", ".join(f"{folder.name}/" for folder in above.values())
                self.listing.error(f"{path} contains {beside} and also images/ and masks/; keep one of the two.", path)
            return self._of_splits(path, self._of_folder)
        if has_both:
            if self._split_folders(path / "images"):
                return self._of_splits(
                    path / "images", lambda folder: self._in_two(folder, path / "masks" / folder.name)
                )
            return {UNSPLIT: self._in_two(path / "images", path / "masks")}
        if any(entry.suffix.lower() in IMAGE_SUFFIXES for entry in visible_entries(path)):
            return {UNSPLIT: self._side_by_side(path)}
        self.listing.error(
            f"{path} has no layout that is read; expected train/ and val/, or images/ and masks/, or images beside "
            f"their masks. Found: {_folders_in(path)}.",
            path,
        )
        return {}

    def _split_folders(self, parent: Path) -> dict[str, Path]:
        """The folder of each split in `parent`."""
        found = {}
        for split, names in SPLIT_NAMES.items():
            folders = [parent / name for name in names if (parent / name).is_dir()]
            if len(folders) > 1:
                self.listing.error(
                    f"{parent} contains {' and '.join(folder.name + '/' for folder in folders)}, which both mean "
                    f"{split}; keep one of them.",
                    parent,
                )
            if folders:
                found[split] = folders[0]
        return found

    def _of_splits(self, parent: Path, listed: Callable[[Path], list[FilePair]]) -> dict[str, list[FilePair]]:
        folders = self._split_folders(parent)
        required = ("train",) if self._makes_splits else ("train", "val")
        for split in required:
            if split not in folders:
                hint = " (or [data] split = { val = 0.2 }, to take val out of train)" if split == "val" else ""
                self.listing.error(
                    f"Split {split}/ is missing in {parent}; expected train/ and val/{hint}, found: "
                    f"{_folders_in(parent)}.",
                    parent / split,
                )
        loose = [entry.name for entry in visible_entries(parent) if entry.suffix.lower() in IMAGE_SUFFIXES]
        if loose:
            self.listing.warn(f"Not used in {parent}: {len(loose)} files beside splits, such as {loose[0]}.", parent)
        return {split: listed(folders[split]) for split in SPLITS if split in folders}

    def _of_folder(self, folder: Path) -> list[FilePair]:
        """The pairs of one split."""
        inside = [folder / "images", folder / "masks"]
        if any(part.is_dir() for part in inside) or not any(
            entry.suffix.lower() in IMAGE_SUFFIXES for entry in visible_entries(folder)
        ):
            return self._in_two(*inside)
        return self._side_by_side(folder)

    def _in_two(self, image_folder: Path, mask_folder: Path) -> list[FilePair]:
        """The pairs of a folder of images and one of masks."""
        images = self.listing.files(image_folder, IMAGE_SUFFIXES)
        listed = self.listing.files(mask_folder, MASK_SUFFIXES)
        if images is None or listed is None:
            return []
        masks: dict[str, Path] = {}
        for entry in listed.values():
            if self._has_suffix(entry):
                self.listing.add(masks, entry, self._suffix)
            else:
                self.listing.warn(
                    f"{entry} is not used: its name does not end in mask_suffix = {self._suffix!r}.", entry, "no suffix"
                )
        return self.listing.match(images, masks, lambda name: mask_folder / f"{name}{self._suffix}.png")

    def _side_by_side(self, folder: Path) -> list[FilePair]:
        """The pairs of a folder that holds images and masks."""
        images: dict[str, Path] = {}
        masks: dict[str, Path] = {}
        others: Counter[str] = Counter()
        for entry in visible_entries(folder):
            suffix = entry.suffix.lower()
            is_mask = self._has_suffix(entry) if self._suffix else suffix not in _WITH_LOSSES
            if is_mask and suffix in MASK_SUFFIXES:
                self.listing.add(masks, entry, self._suffix)
            elif suffix in IMAGE_SUFFIXES:
                self.listing.add(images, entry)
            elif entry != self._path / "classes.json":
                others[entry.suffix or entry.name] += 1
        self.listing.unused(others, folder, IMAGE_SUFFIXES)
        if not self._suffix and not images:
            self.listing.error(
                f"Folder {folder} does not tell images from masks; set [data] mask_suffix to what the names of masks "
                'have after those of their images, such as "_mask".',
                folder,
            )
            return []
        return self.listing.match(images, masks, lambda name: folder / f"{name}{self._suffix}.png")

    def _has_suffix(self, entry: Path) -> bool:
        return unicodedata.normalize("NFC", entry.stem).endswith(self._suffix)


def _folders_in(parent: Path) -> str:
    return ", ".join(entry.name for entry in visible_entries(parent) if entry.is_dir()) or "no folders"
