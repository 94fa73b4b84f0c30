"""COCO: polygons and run-length encodings, panoptic and stuff masks, and what tools export in its form."""

from __future__ import annotations

import hashlib
import json
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from datasets.dataset import DataError
from datasets.formats.classes import Labels, checked_labels, read_labels
from datasets.formats.coco_masks import Instances, Panoptic
from datasets.formats.files import FileFormat, FilePair
from datasets.formats.folder import SPLIT_NAMES, SPLIT_OF_NAME
from datasets.formats.format import DataSettings, FormatOptions
from datasets.formats.listing import Listing
from datasets.formats.masks import Mask
from datasets.formats.splits import UNSPLIT
from datasets.images import IMAGE_SUFFIXES
from datasets.statistics import Problem

Kind = Literal["instances", "panoptic", "stuff"]
Json = Mapping[str, Any]
_Drawn = Instances | Panoptic

_MOST_CLASSES = 255


class CocoOptions(FormatOptions):
    """Which annotations are read."""

    annotations: Kind | None = Field(default=None, description="Which annotations are read. None: `instances`.")


class CocoDataset(FileFormat):
    """COCO: instances (polygons and run-length encodings), panoptic or stuff masks.

    PATH holds annotations/instances_{train,val}2017.json and the images in train2017/ and val2017/, or in images/; or,
    as Roboflow exports it, {train,valid,test}/_annotations.coco.json beside the images; or one JSON file alone
    (annotations/instances_default.json of CVAT, result.json of Label Studio), of which `[data] split` makes splits.
    Panoptic masks are panoptic_{train,val}2017.json with folders of PNGs of the same names, stuff masks
    stuffthingmaps/{train,val}2017/ with classes.json.

    With instances, class 0 is the background, smaller objects lie on top of larger ones, and crowds are ignored.

    Args:
        settings: `path` is the folder.
        annotations: which annotations.

    Raises:
        DataError: a file is missing or damaged, or settings do not suit the data.
    """

    options = CocoOptions

    @classmethod
    def recognizes(cls, path: Path) -> bool:
        return any(path.glob("*/_annotations.coco.json")) or any((path / "annotations").glob("*.json"))

    def __init__(self, settings: DataSettings, *, annotations: Kind = "instances") -> None:
        if settings.mask_suffix:
            raise DataError("[data] mask_suffix is not for format = 'coco'. Leave it out.")
        self._drawn: dict[Path, Instances | Panoptic] = {}
        self._annotations_digest = hashlib.sha256()
        if annotations == "stuff":
            labels = read_labels(settings.path, settings.classes, settings.ignore_index)
            listing = Listing()
            super().__init__(settings, labels, _stuff_pairs(settings.path, listing), listing.problems)
            return
        files = _annotation_files(settings.path, annotations)
        contents = {split: _load(file, self._annotations_digest) for split, file in files.items()}
        labels, ids = _labels(contents, settings, annotations, files)
        pairs: dict[str, list[FilePair]] = {}
        for split, file in files.items():
            drawn = _drawn(contents[split], ids, labels.ignore_index, file)
            folder = _image_folder(settings.path, file, drawn)
            self._drawn |= {folder / name: one for name, one in drawn.items()}
            pairs[split] = [FilePair(_stem(name), folder / name, drawn[name].file) for name in sorted(drawn)]
        super().__init__(settings, labels, pairs, _missing_images(pairs))

    def read_mask(self, pair: FilePair) -> Mask:
        """The mask of a pair: drawn from its annotations, or a stuff PNG."""
        drawn = self._drawn.get(pair.image)
        return super().read_mask(pair) if drawn is None else Mask(drawn.mask(), 1)

    def files_of(self, pair: FilePair) -> tuple[Path, ...]:
        """The files of a pair that the fingerprint covers one by one; annotations are covered as a whole."""
        return (pair.image,) if pair.mask.suffix == ".json" else (pair.image, pair.mask)

    def fingerprint(self) -> str:
        """A short hash of all annotations, and of what other formats cover."""
        content = super().fingerprint() + self._annotations_digest.hexdigest()
        return hashlib.sha256(content.encode()).hexdigest()[:16]


def _annotation_files(path: Path, kind: str) -> dict[str, Path]:
    """The annotations of each split, or of `UNSPLIT`."""
    beside = {path / name / "_annotations.coco.json": split for name, split in SPLIT_OF_NAME.items()}
    found = {split: file for file, split in beside.items() if file.is_file()}
    if found and kind == "instances":
        return found
    listed = sorted((path / "annotations").glob(f"{kind}_*.json"))
    for file in listed:
        # "instances_train2017" is of train.
        name = re.sub(r"\d+$", "", file.stem.removeprefix(f"{kind}_")).lower()
        split = SPLIT_OF_NAME.get(name)
        if split in found:
            raise DataError(f"{found[split]} and {file.name} are both of split {split}; keep one of them.", file)
        if split is not None:
            found[split] = file
    single = [*listed, *path.glob("*.json"), *(path / "annotations").glob("*.json")]
    if not found and len(set(single) - {path / "classes.json"}) == 1:
        return {UNSPLIT: single[0]}
    if not found:
        raise DataError(
            f"There are no annotations in {path}; expected annotations/{kind}_train2017.json and so on, "
            "train/_annotations.coco.json, or one JSON file.",
            path,
        )
    return {split: found[split] for split in SPLIT_NAMES if split in found}


def _load(file: Path, digest: Any) -> Json:
    try:
        text = file.read_bytes()
        digest.update(text)
        content: Json = json.loads(text)
        if not all(isinstance(content[key], list) for key in ("images", "annotations", "categories")):
            raise ValueError("images, annotations and categories must be lists")
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise DataError(f"Cannot read {file}: {error!r}. Expected COCO's JSON.", file) from error
    return content


def _labels(
    contents: Mapping[str, Json], settings: DataSettings, kind: str, files: Mapping[str, Path]
) -> tuple[Labels, dict[int, int]]:
    """The labels, and the class id of each category."""
    categories = _categories(contents)
    if kind == "instances":
        # A category of that name is the background itself.
        background = [number for number, name in categories.items() if name == "background"]
        objects = [number for number in sorted(categories) if number not in background]
        names = ["background", *(categories[number] for number in objects)]
        ids = dict.fromkeys(background, 0) | {number: place for place, number in enumerate(objects, 1)}
    else:
        names = [categories[number] for number in sorted(categories)]
        ids = {number: place for place, number in enumerate(sorted(categories))}
    file = next(iter(files.values()))
    if len(names) > _MOST_CLASSES:
        raise DataError(f"{file} has {len(names)} classes; expected at most {_MOST_CLASSES}.", file)
    labels = checked_labels(names, settings.classes, settings.ignore_index, file)
    return labels, ids


def _categories(contents: Mapping[str, Json]) -> dict[int, str]:
    """The name of each category, the same in all splits."""
    used = {annotation.get("category_id") for content in contents.values() for annotation in content["annotations"]}
    categories: dict[int, str] = {}
    for content in contents.values():
        groups = {category.get("supercategory") for category in content["categories"]}
        for category in content["categories"]:
            number, name = category["id"], category["name"]
            # Roboflow's first category stands for the data set: all others belong to it, and no object is of it.
            if number == 0 and number not in used and name in groups:
                continue
            if categories.setdefault(number, name) != name:
                raise DataError(f"Category {number} is {categories[number]!r} in one split and {name!r} in another.")
    return categories


def _drawn(content: Json, ids: Mapping[int, int], ignored: int, file: Path) -> dict[str, Instances | Panoptic]:
    """How the mask of each image comes about, by the image's name."""
    make = _instances if not any("segments_info" in one for one in content["annotations"]) else _panoptic
    try:
        return dict(make(content, ids, ignored, file))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(
            f"Cannot read {file}: {error!r} in an image or annotation. Expected COCO's JSON.", file
        ) from error


def _instances(content: Json, ids: Mapping[int, int], ignored: int, file: Path) -> Iterator[tuple[str, _Drawn]]:
    """The objects of each image, by its name."""
    shapes = defaultdict(list)
    for annotation in content["annotations"]:
        shapes[annotation["image_id"]].append(annotation)
    for image in content["images"]:
        own = shapes.pop(image["id"], [])
        for one in own:
            if not one.get("segmentation"):
                raise DataError(
                    f"{file}: annotation {one.get('id')} of {image['file_name']} has no segmentation; boxes alone are "
                    "not enough.",
                    file,
                )
        crowds = [bool(one.get("iscrowd")) for one in own]
        drawn = [
            (one["segmentation"], ignored if crowd else ids[one["category_id"]])
            for one, crowd in zip(own, crowds, strict=True)
        ]
        size = int(image["height"]), int(image["width"])
        yield image["file_name"], Instances(file, image["file_name"], size, drawn, crowds)
    if shapes:
        raise DataError(f"{file} has annotations of image {next(iter(shapes))}, which it does not list.", file)


def _panoptic(content: Json, ids: Mapping[int, int], ignored: int, file: Path) -> Iterator[tuple[str, _Drawn]]:
    """The panoptic PNG of each image, by its name."""
    names = {image["id"]: image["file_name"] for image in content["images"]}
    for annotation in content["annotations"]:
        segments = {
            one["id"]: ignored if one.get("iscrowd") else ids[one["category_id"]] for one in annotation["segments_info"]
        }
        yield names[annotation["image_id"]], Panoptic(file.with_suffix("") / annotation["file_name"], segments, ignored)


def _image_folder(path: Path, file: Path, names: Iterable[str]) -> Path:
    """The folder that holds the images of one file of annotations."""
    name = next(iter(names), "")
    split = file.stem.rpartition("_")[2]
    candidates = [file.parent, path / split, path / "images" / split, path / "images", path]
    return next((folder for folder in candidates if name and (folder / name).is_file()), path / split)


def _missing_images(pairs: Mapping[str, list[FilePair]]) -> Iterator[Problem]:
    for listed in pairs.values():
        for pair in listed:
            if not pair.image.is_file():
                yield Problem(
                    "error", f"Image {pair.image}, which has annotations, is missing.", pair.image, "missing image"
                )


def _stuff_pairs(path: Path, listing: Listing) -> dict[str, list[FilePair]]:
    pairs = {}
    for folder in sorted((path / "stuffthingmaps").glob("*")):
        split = SPLIT_OF_NAME.get(re.sub(r"\d+$", "", folder.name).lower())
        if split is None:
            continue
        images = listing.files(path / folder.name, IMAGE_SUFFIXES) or {}
        masks = listing.files(folder, (".png", ".tif")) or {}
        pairs[split] = listing.match(images, masks, _png_in(folder))
    if not pairs:
        raise DataError(
            f"There are no masks in {path / 'stuffthingmaps'}; expected stuffthingmaps/train2017/ and val2017/.", path
        )
    return pairs


def _png_in(folder: Path) -> Callable[[str], Path]:
    return lambda name: folder / f"{name}.png"


def _stem(name: str) -> str:
    return Path(name).with_suffix("").as_posix()
