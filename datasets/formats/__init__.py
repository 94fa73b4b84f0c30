"""Formats of data, one module each."""

from __future__ import annotations

import pkgutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from datasets.dataset import DataError, Dataset, Progress, check_image_size
from datasets.formats.format import DataSettings, Format, SplitSettings
from datasets.framing import Framing, Resize
from datasets.images import ImageReading, Orientation

# What a study file may name; imported only where it is chosen.
FORMATS: dict[str, str] = {
    "folder": "datasets.formats.folder:FolderDataset",
    "csv": "datasets.formats.csv_table:CsvDataset",
    "voc": "datasets.formats.voc:VocDataset",
    "cityscapes": "datasets.formats.cityscapes:CityscapesDataset",
    "camvid": "datasets.formats.camvid:CamVidDataset",
    "coco": "datasets.formats.coco:CocoDataset",
    "tfds": "datasets.formats.tfds:TfdsDataset",
    "synthetic": "datasets.formats.synthetic:SyntheticDataset",
}


def open_dataset(
    format: str,  # noqa: A002 - the name it has in study files
    *,
    path: str | Path | None = None,
    image_size: tuple[int, int],
    resize: Resize = "stretch",
    scale: float = 1.0,
    classes: int | None = None,
    ignore_index: int | None = None,
    channels: int = 3,
    value_range: tuple[float, float] | None = None,
    orientation: Orientation | None = None,
    mask_suffix: str = "",
    split: Mapping[str, Any] | None = None,
    assigned: Mapping[str, str] | None = None,
    seed: int = 0,
    strict: bool = True,
    progress: Progress | None = None,
    **options: Any,
) -> Dataset:
    """Open a dataset, after the checks that need not read any image; `inspect_dataset` does the thorough ones.

    Args:
        format: a name in `FORMATS`.
        path: the data folder or file, for formats that need one.
        image_size: (height, width) of the network's input.
        resize: how images are brought to `image_size` (see `Framing`).
        scale: with "crop", the factor by which images are resized first.
        classes: number of outputs, 1 for binary data; None uses the value from the data.
        ignore_index: mask value that no loss or metric counts; None uses the value from the data, or else 255.
        channels: number of channels of the images.
        value_range: the values that become 0 and 255, for images of more than 8 bits.
        orientation: whether masks belong to "turned" or "raw" images (see `ImageReading`).
        mask_suffix: what a mask's stem has after its image's.
        split: fields of `SplitSettings`, for data that come without splits.
        assigned: what `Dataset.assigned_splits` of these data returned before.
        seed: random seed of generated data.
        strict: raise an error on problems with the layout; otherwise the inspection reports them.
        progress: called with (masks read, masks in total) where splits are made, which reads all masks.
        options: what the format declares in its `options`.

    Raises:
        DataError: the data or a setting is wrong; the message lists every problem found.
    """
    make = _checked_format(format, path, options)
    settings = DataSettings(
        framing=Framing(check_image_size(image_size), resize, scale),
        path=Path(path or ""),
        classes=classes,
        ignore_index=ignore_index,
        reading=ImageReading(channels, value_range, orientation),
        mask_suffix=mask_suffix,
        split=None if split is None else _split_settings(split),
        assigned=assigned,
        seed=seed,
        strict=strict,
        progress=progress,
    )
    return make(settings, **options)


def _split_settings(given: Mapping[str, Any]) -> SplitSettings:
    try:
        return SplitSettings.model_validate(given)
    except ValidationError as error:
        key = ".".join(map(str, error.errors()[0]["loc"]))
        raise DataError(f"split{f'.{key}' * bool(key)}: {error.errors()[0]['msg']}; given: {dict(given)}.") from None


def _checked_format(name: str, path: str | Path | None, options: Mapping[str, Any]) -> Callable[..., Dataset]:
    """What opens a format, given its settings and options. Raises DataError where these do not suit it."""
    opened = load_format(name)
    known = opened.options.model_fields
    unknown = sorted(options.keys() - known.keys())
    if unknown:
        takes = f"it takes {', '.join(known)}" if known else "it takes none"
        raise DataError(f"Data format {name!r} has no option {', '.join(unknown)}; {takes}.")
    if opened.needs_path and path is None:
        raise DataError(f"Data format {name!r} needs a path: the folder or file that it reads.")
    if not opened.needs_path and path is not None:
        raise DataError(f"Data format {name!r} takes no path; got {str(path)!r}.")
    return opened


def recognize_format(path: Path) -> str:
    """The format whose sign the data at `path` have; "folder" where they have none.

    Raises:
        DataError: there are no data at `path`, or they have the signs of several formats.
    """
    if not path.exists():
        raise DataError(f"{path} does not exist; expected the folder or file of a data set.", path)
    found = [name for name in FORMATS if load_format(name).recognizes(path)]
    if len(found) > 1:
        raise DataError(f"{path} may be of the formats {', '.join(found)}. Name one of them.", path)
    return found[0] if found else "folder"


def load_format(name: str) -> type[Format]:
    """The format of a name.

    Raises:
        DataError: there is no such format, or a package that it needs is not installed.
    """
    if name not in FORMATS:
        raise DataError(f"Data format {name!r} is not known; expected one of: {', '.join(FORMATS)}.")
    try:
        found: type[Format] = pkgutil.resolve_name(FORMATS[name])
    except ModuleNotFoundError as error:
        raise DataError(f"Data format {name!r} needs the package {error.name}, which is not installed.") from error
    return found
