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
    """Open a dataset, after the checks that need not read any image; `Dataset.check` does the thorough ones.

    Args:
        format: "folder" or "synthetic".
        path: the data folder; for "folder" only.
        image_size: (height, width) to which images will be resized.
        classes: number of outputs, 1 for binary data; None uses the value from the data.
        ignore_index: mask value that no loss or metric counts; None uses the value from the data, or else 255.
        seed: random seed of synthetic data.
        options: "synthetic" accepts train_images, val_images and test_images; "folder" accepts strict (see
            `datasets.formats.folder.FolderDataset`).

    Raises:
        DataError: the data or a setting is wrong; the message lists every problem found.
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
