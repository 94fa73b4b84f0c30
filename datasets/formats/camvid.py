"""CamVid as it is published: masks in 32 colours, of which the usual 11 classes are made."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from datasets.dataset import SPLITS, DataError
from datasets.formats.classes import Labels, checked_labels
from datasets.formats.files import FileFormat, FilePair
from datasets.formats.format import DataSettings, FormatOptions
from datasets.formats.listing import listed_names
from datasets.formats.masks import Mask
from datasets.formats.splits import UNSPLIT
from datasets.statistics import Problem

# Brostow et al. 2009, "Semantic Object Classes in Video"; colours as in its label_colors.txt.
COLORS = {
    "Animal": (64, 128, 64), "Archway": (192, 0, 128), "Bicyclist": (0, 128, 192), "Bridge": (0, 128, 64),
    "Building": (128, 0, 0), "Car": (64, 0, 128), "CartLuggagePram": (64, 0, 192), "Child": (192, 128, 64),
    "Column_Pole": (192, 192, 128), "Fence": (64, 64, 128), "LaneMkgsDriv": (128, 0, 192),
    "LaneMkgsNonDriv": (192, 0, 64), "Misc_Text": (128, 128, 64), "MotorcycleScooter": (192, 0, 192),
    "OtherMoving": (128, 64, 64), "ParkingBlock": (64, 192, 128), "Pedestrian": (64, 64, 0), "Road": (128, 64, 128),
    "RoadShoulder": (128, 128, 192), "Sidewalk": (0, 0, 192), "SignSymbol": (192, 128, 128), "Sky": (128, 128, 128),
    "SUVPickupTruck": (64, 128, 192), "TrafficCone": (0, 0, 64), "TrafficLight": (0, 64, 64), "Train": (192, 64, 128),
    "Tree": (128, 128, 0), "Truck_Bus": (192, 128, 192), "Tunnel": (64, 0, 64), "VegetationMisc": (192, 192, 0),
    "Wall": (64, 192, 0),
}  # fmt: skip
VOID = (0, 0, 0)
# The one mask that was published with smooth edges.
SMOOTHED = "Seq05VD_f02610"

# The 11 classes of Badrinarayanan et al. 2017, "SegNet", each with all of the 32 that belong to it.
GROUPS = {
    "sky": ("Sky",),
    "building": ("Building", "Bridge", "Wall", "Tunnel", "Archway"),
    "pole": ("Column_Pole", "TrafficCone"),
    "road": ("Road", "LaneMkgsDriv", "LaneMkgsNonDriv"),
    "pavement": ("Sidewalk", "ParkingBlock", "RoadShoulder"),
    "tree": ("Tree", "VegetationMisc"),
    "signsymbol": ("SignSymbol", "Misc_Text", "TrafficLight"),
    "fence": ("Fence",),
    "car": ("Car", "SUVPickupTruck", "Truck_Bus", "Train", "OtherMoving"),
    "pedestrian": ("Pedestrian", "Child", "CartLuggagePram", "Animal"),
    "bicyclist": ("Bicyclist", "MotorcycleScooter"),
}
_IMAGES, _MASKS = "701_StillsRaw_full", "LabeledApproved_full"


class CamVidOptions(FormatOptions):
    """Which classes are trained."""

    grouped: bool | None = Field(default=None, description="The usual 11 classes; false: all 31. None: true.")


class CamVidDataset(FileFormat):
    """CamVid in its colours: the usual 11 classes, or all 31; void is ignored.

    PATH holds {train,val,test}/NAME.png and {train,val,test}_labels/NAME_L.png; or 701_StillsRaw_full/NAME.png and
    LabeledApproved_full/NAME_L.png, with train.txt, val.txt and test.txt that list names, or with `[data] split`.

    Args:
        settings: `path` is the folder.
        grouped: the 11 classes.

    Raises:
        DataError: a folder or mask is missing, or settings do not suit the data.
    """

    options = CamVidOptions

    def __init__(self, settings: DataSettings, *, grouped: bool = True) -> None:
        if settings.mask_suffix:
            raise DataError("[data] mask_suffix is not for format = 'camvid', whose masks end in _L. Leave it out.")
        problems: list[Problem] = []
        pairs = _pairs(settings.path, problems)
        super().__init__(settings, _labels(settings, grouped), pairs, problems)

    @classmethod
    def recognizes(cls, path: Path) -> bool:
        return (path / _IMAGES).is_dir() or (path / "train_labels").is_dir()

    def read_mask(self, pair: FilePair) -> Mask:
        """The mask of a pair; in the one whose edges are smoothed, colours between those of classes are ignored."""
        return self.mask_reader.read(pair.mask, unlisted=pair.name == SMOOTHED)


def _labels(settings: DataSettings, grouped: bool) -> Labels:
    groups = GROUPS if grouped else {name: (name,) for name in COLORS}
    labels = checked_labels(tuple(groups), settings.classes, settings.ignore_index, settings.path)
    colors = {COLORS[member]: index for index, members in enumerate(groups.values()) for member in members}
    return labels._replace(colors={**colors, VOID: labels.ignore_index})


def _pairs(path: Path, problems: list[Problem]) -> dict[str, list[FilePair]]:
    if (path / _IMAGES).is_dir():
        every = {pair.name: pair for pair in _folder_pairs(path / _IMAGES, path / _MASKS, problems)}
        lists = {split: path / f"{split}.txt" for split in SPLITS if (path / f"{split}.txt").is_file()}
        if not lists:
            return {UNSPLIT: list(every.values())}
        return {split: _listed(every, file, problems) for split, file in lists.items()}
    found = [split for split in SPLITS if (path / split).is_dir()]
    if "train" not in found:
        raise DataError(
            f"There is neither {_IMAGES}/ nor train/ in {path}; expected CamVid with its masks in colours "
            "(LabeledApproved_full/ or train_labels/, NAME_L.png).",
            path,
        )
    return {split: _folder_pairs(path / split, path / f"{split}_labels", problems) for split in found}


def _folder_pairs(images: Path, masks: Path, problems: list[Problem]) -> list[FilePair]:
    pairs = []
    for image in sorted(images.glob("*.png")):
        mask = masks / f"{image.stem}_L.png"
        if mask.is_file():
            pairs.append(FilePair(image.stem, image, mask))
        else:
            problems.append(Problem("error", f"Image {image} has no mask; expected {mask}.", image, "no mask"))
    return pairs


def _listed(every: dict[str, FilePair], file: Path, problems: list[Problem]) -> list[FilePair]:
    names = [Path(name).stem for name in listed_names(file)]
    problems += [
        Problem("error", f"{file} names {name}, which is not there.", file.parent / name, "not there")
        for name in names
        if name not in every
    ]
    return [every[name] for name in sorted(set(names)) if name in every]
