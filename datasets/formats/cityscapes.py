"""Cityscapes: street scenes, of whose 34 ids 19 classes are trained."""

from __future__ import annotations

from pathlib import Path

from datasets.dataset import SPLITS, DataError
from datasets.formats.classes import checked_labels
from datasets.formats.files import FileFormat, FilePair
from datasets.formats.format import DataSettings
from datasets.statistics import Problem

# Cordts et al. 2016, "The Cityscapes Dataset for Semantic Urban Scene Understanding"; ids as in the official scripts'
# table of labels (cityscapesscripts/helpers/labels.py), in the order in which classes are trained.
TRAINED = {
    7: "road", 8: "sidewalk", 11: "building", 12: "wall", 13: "fence", 17: "pole", 19: "traffic light",
    20: "traffic sign", 21: "vegetation", 22: "terrain", 23: "sky", 24: "person", 25: "rider", 26: "car", 27: "truck",
    28: "bus", 31: "train", 32: "motorcycle", 33: "bicycle",
}  # fmt: skip
_IMAGE = "_leftImg8bit.png"
# Ids, or the ids of the classes that are trained, which the official scripts make of them.
_IDS, _TRAIN_IDS = "_gtFine_labelIds.png", "_gtFine_labelTrainIds.png"


class CityscapesDataset(FileFormat):
    """Cityscapes with fine annotations: the 19 classes that are trained, all others ignored.

    PATH holds leftImg8bit/{train,val}/CITY/*_leftImg8bit.png and gtFine/{train,val}/CITY/*_gtFine_labelIds.png (or,
    without these, *_gtFine_labelTrainIds.png). The test split is left out, because its masks, which are kept secret,
    hold nothing.

    Args:
        settings: `path` is the folder.

    Raises:
        DataError: a folder or mask is missing, or settings do not suit the data.
    """

    @classmethod
    def recognizes(cls, path: Path) -> bool:
        return (path / "leftImg8bit").is_dir()

    def __init__(self, settings: DataSettings) -> None:
        if settings.mask_suffix or settings.split is not None:
            raise DataError(
                "[data] mask_suffix and split are not for format = 'cityscapes', which has both. Leave them out."
            )
        names = tuple(TRAINED.values())
        labels = checked_labels(names, settings.classes, settings.ignore_index, settings.path)
        masks = _TRAIN_IDS
        if any((settings.path / "gtFine").glob(f"*/*/*{_IDS}")):
            masks = _IDS
            # -1 (license plates) is not drawn; 255 stands for it in some copies.
            ids = dict.fromkeys([*range(34), 255], labels.ignore_index)
            labels = labels._replace(ids=ids | {value: index for index, value in enumerate(TRAINED)})
        problems: list[Problem] = []
        pairs = {split: _split_pairs(settings.path, split, masks, problems) for split in SPLITS[:2]}
        super().__init__(settings, labels, pairs, problems)


def _split_pairs(path: Path, split: str, masks: str, problems: list[Problem]) -> list[FilePair]:
    folder = path / "leftImg8bit" / split
    images = sorted(folder.glob(f"*/*{_IMAGE}"))
    if not images:
        problems.append(
            Problem("error", f"There are no images {folder}/CITY/*{_IMAGE}; expected Cityscapes in {path}.", folder)
        )
    pairs = []
    for image in images:
        name = image.name.removesuffix(_IMAGE)
        mask = path / "gtFine" / split / image.parent.name / f"{name}{masks}"
        if mask.is_file():
            pairs.append(FilePair(name, image, mask))
        else:
            problems.append(Problem("error", f"Image {image} has no mask; expected {mask}.", image, "no mask"))
    return pairs
