"""Formats of data on disk, one module each."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from datasets.dataset import DataError, Dataset, check_image_size


def open_dataset(
    format: str,  # noqa: A002 - the name it has in study files
    *,
    path: str | Path | None = None,
    image_size: tuple[int, int],
    classes: int | None = None,
    ignore_index: int | None = None,
    seed: int = 0,
    **options: Any,
) -> Dataset:
    """Opens a dataset, after checks that need no image read; `Dataset.check` does the thorough ones.

    Args:
        format: "folder" or "synthetic".
        path: the data's folder; for "folder" only.
        image_size: (height, width) that images will be resized to.
        classes: number of outputs, 1 for binary data; None takes what the data say.
        ignore_index: mask value that no loss or metric counts; None takes what the data say, else 255.
        seed: of generated data.
        options: "synthetic" takes train_images, val_images and test_images; "folder" takes strict (see
            `datasets.formats.folder.FolderDataset`).

    Raises:
        DataError: the data or a setting is wrong; the message lists all that was found.
    """
    if format not in FORMATS:
        what = "is not available yet" if format in _PLANNED else "is not known"
        raise DataError(f"Data format {format!r} {what}; expected one of: {', '.join(FORMATS)}.")
    unknown = sorted(options.keys() - _OPTIONS[format])
    if unknown:
        takers = [name for name in FORMATS if _OPTIONS[name].issuperset(unknown)]
        hint = f"; it belongs to {', '.join(takers)}" if takers else ""
        raise DataError(f"Data format {format!r} has no option {', '.join(unknown)}{hint}. Leave it out.")
    size = check_image_size(image_size)
    if format == "folder":
        from datasets.formats.folder import FolderDataset

        if path is None:
            raise DataError('Data format "folder" needs a path: the folder that holds train/ and val/.')
        return FolderDataset(Path(path), image_size=size, classes=classes, ignore_index=ignore_index, **options)
    from datasets.formats.synthetic import SyntheticDataset

    if path is not None:
        raise DataError(f'Data format "synthetic" is generated and takes no path; got {str(path)!r}.')
    return SyntheticDataset(image_size=size, classes=classes, ignore_index=ignore_index, seed=seed, **options)


_OPTIONS: dict[str, frozenset[str]] = {
    "folder": frozenset({"strict"}),
    "synthetic": frozenset({"train_images", "val_images", "test_images"}),
}


_PLANNED = ("camvid", "voc", "cityscapes", "coco", "tfds")


FORMATS = tuple(_OPTIONS)
