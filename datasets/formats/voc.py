"""PASCAL VOC, what annotation tools export in its layout, and the Semantic Boundaries Dataset."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from pydantic import Field

from datasets.dataset import DataError
from datasets.formats.classes import Color, Labels, checked_labels, read_labels
from datasets.formats.files import FileFormat, FilePair
from datasets.formats.folder import SPLIT_NAMES
from datasets.formats.format import DataSettings, FormatOptions
from datasets.formats.listing import listed_names
from datasets.formats.masks import MASK_SUFFIXES, Mask
from datasets.formats.splits import UNSPLIT
from datasets.images import IMAGE_SUFFIXES
from datasets.statistics import Problem

# Everingham et al. 2010, "The PASCAL Visual Object Classes Challenge", in the order of their ids.
VOC_CLASSES = (
    "background", "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow", "diningtable",
    "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor",
)  # fmt: skip

# Of a folder that holds lists, as that of the Semantic Boundaries Dataset does.
_NO_LISTS = ("labelmap.txt", "class_names.txt")


class VocOptions(FormatOptions):
    """Which masks and which lists are used."""

    mask_folder: str | None = Field(default=None, description="Folder of the masks. None: `SegmentationClass`.")
    train_list: str | None = Field(default=None, description="Name of the list of training images. None: `train`.")


class VocDataset(FileFormat):
    """PASCAL VOC, its augmented masks, exports in its layout, and the Semantic Boundaries Dataset.

    PATH holds JPEGImages/, SegmentationClass/ and ImageSets/Segmentation/{train,val,test}.txt (or no lists); or, for
    the Semantic Boundaries Dataset (Hariharan et al. 2011), img/, cls/*.mat, train.txt and val.txt. Classes are those
    of classes.json, of labelmap.txt (CVAT) or class_names.txt (LabelMe), or VOC's 21. A test list without any mask, as
    in VOC 2012, is left out.

    Args:
        settings: `path` is the folder.
        mask_folder: where the masks are.
        train_list: the list of training images, without ".txt".

    Raises:
        DataError: a folder or list is missing, a list names missing files, or classes are wrong or unknown.
    """

    options = VocOptions

    @classmethod
    def recognizes(cls, path: Path) -> bool:
        return (path / "JPEGImages").is_dir() or ((path / "cls").is_dir() and (path / "img").is_dir())

    def __init__(
        self, settings: DataSettings, *, mask_folder: str = "SegmentationClass", train_list: str = "train"
    ) -> None:
        path = settings.path
        if settings.mask_suffix:
            raise DataError("[data] mask_suffix is not for format = 'voc', where masks have their images' names.")
        if (path / "cls").is_dir():
            images, masks, lists = path / "img", path / "cls", path
        else:
            images, masks, lists = path / "JPEGImages", path / mask_folder, path / "ImageSets" / "Segmentation"
        for folder in (images, masks):
            _require(folder)
        pairs, problems = _listed_pairs(images, masks, lists, train_list)
        super().__init__(settings, _labels(settings), pairs, problems)

    def read_mask(self, pair: FilePair) -> Mask:
        """The mask of a pair; those of the Semantic Boundaries Dataset are MATLAB files."""
        return _matlab_mask(pair.mask) if pair.mask.suffix == ".mat" else super().read_mask(pair)


def _require(folder: Path) -> None:
    if not folder.is_dir():
        raise DataError(
            f"Folder {folder} is missing; expected JPEGImages/ and SegmentationClass/ (or [data] mask_folder) in path, "
            "as in VOCdevkit/VOC2012; or img/ and cls/.",
            folder,
        )


def _listed_pairs(
    images: Path, masks: Path, lists: Path, train_list: str
) -> tuple[dict[str, list[FilePair]], list[Problem]]:
    """The pairs of each list, and what is wrong with them."""
    image_files, mask_files = _by_stem(images, IMAGE_SUFFIXES), _by_stem(masks, (*MASK_SUFFIXES, ".mat"))
    if not lists.is_dir():  # LabelMe writes none
        both = sorted(image_files.keys() & mask_files.keys())
        return {UNSPLIT: [FilePair(name, image_files[name], mask_files[name]) for name in both]}, []
    pairs: dict[str, list[FilePair]] = {}
    problems: list[Problem] = []
    for split, list_file in _lists(lists, train_list).items():
        names = listed_names(list_file)
        if split == "test" and not any(name in mask_files for name in names):
            continue
        for name in names:
            for kind, files, folder in (("image", image_files, images), ("mask", mask_files, masks)):
                if name not in files:
                    message = f"{list_file} names {name}, of which there is no {kind} in {folder}."
                    problems.append(Problem("error", message, folder / name, f"listed without {kind}"))
        whole = [name for name in names if name in image_files and name in mask_files]
        pairs[split] = [FilePair(name, image_files[name], mask_files[name]) for name in sorted(set(whole))]
    return pairs, problems


def _by_stem(folder: Path, suffixes: tuple[str, ...]) -> dict[str, Path]:
    """The files below a folder, by their paths without suffix."""
    found = (entry for entry in sorted(folder.rglob("*")) if entry.suffix.lower() in suffixes)
    return {entry.relative_to(folder).with_suffix("").as_posix(): entry for entry in found}


def _lists(folder: Path, train_list: str) -> dict[str, Path]:
    """The list of each split, or of `UNSPLIT` where there is a single one."""
    found = {entry.stem.lower(): entry for entry in sorted(folder.glob("*.txt")) if entry.name not in _NO_LISTS}
    if train_list.lower() in found:
        wanted = {**SPLIT_NAMES, "train": (train_list.lower(),)}
        return {split: found[stem] for split, stems in wanted.items() for stem in stems if stem in found}
    if len(found) == 1:
        return {UNSPLIT: next(iter(found.values()))}
    raise DataError(
        f"{folder / train_list}.txt is missing; found {', '.join(sorted(found)) or 'none'}. Set [data] train_list.",
        folder,
    )


def _labels(settings: DataSettings) -> Labels:
    path = settings.path
    if (path / "classes.json").exists():
        return read_labels(path, settings.classes, settings.ignore_index)
    label_map, class_names = path / "labelmap.txt", path / "class_names.txt"
    if label_map.exists():
        named = [_named_color(line, label_map) for line in _lines(label_map) if not line.startswith("#")]
        colors = {color: index for index, (_, color) in enumerate(named)}
        if len(colors) != len(named):
            raise DataError(f"{label_map} gives a colour to two labels; each needs its own.", label_map)
        names = [name for name, _ in named]
        return checked_labels(names, settings.classes, settings.ignore_index, label_map, colors)
    if class_names.exists():
        names = [name.strip("_") for name in _lines(class_names) if name != "__ignore__"]
        return checked_labels(names, settings.classes, settings.ignore_index, class_names)
    return checked_labels(VOC_CLASSES, settings.classes, settings.ignore_index, path)


def _lines(path: Path) -> list[str]:
    return [line.strip() for line in path.read_text(encoding="utf-8-sig").splitlines() if line.strip()]


def _named_color(line: str, path: Path) -> tuple[str, Color]:
    name, _, rest = line.partition(":")
    try:
        red, green, blue = (int(part) for part in rest.split(":")[0].split(","))
    except ValueError:
        red = green = blue = -1
    if not 0 <= min(red, green, blue) <= max(red, green, blue) <= 255:
        raise DataError(f"{path}: {line!r} names no colour; expected NAME:RED,GREEN,BLUE:: in each line.", path)
    return name, (red, green, blue)


def _matlab_mask(path: Path) -> Mask:
    from scipy.io import loadmat

    try:
        ids = loadmat(path, mat_dtype=False)["GTcls"]["Segmentation"][0, 0]
    except Exception as error:  # scipy raises errors of many kinds for damaged files
        raise DataError(
            f"Cannot read mask {path}: {error}. Expected a file of the Semantic Boundaries Dataset.",
            path,
            "unreadable mask",
        ) from error
    if ids.max(initial=0) >= len(VOC_CLASSES):
        raise DataError(f"Mask {path} contains the value {ids.max()}; expected VOC's ids 0 to 20.", path, "unknown id")
    return Mask(np.ascontiguousarray(ids, np.uint8), 1)
