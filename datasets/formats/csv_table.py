"""Pairs of files that a CSV file lists."""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path

from datasets.dataset import SPLITS, DataError
from datasets.formats.classes import read_labels
from datasets.formats.files import FileFormat, FilePair
from datasets.formats.folder import SPLIT_NAMES
from datasets.formats.format import DataSettings
from datasets.formats.splits import UNSPLIT
from datasets.statistics import Problem

_SPLIT_OF_NAME = {name: split for split, names in SPLIT_NAMES.items() for name in names}
_DELIMITERS = ",;\t"


class CsvDataset(FileFormat):
    """Images and masks listed in a CSV file.

    Its columns are `image`, `mask`, and optionally `split` (train, val or test) and `group` (images that belong into
    one split when splits are made); others are ignored. Paths are relative to the file's folder, in which classes.json
    lies.

    Args:
        settings: `path` is the CSV file, in UTF-8, with commas, semicolons or tabs.

    Raises:
        DataError: the file is missing or damaged, lacks a column or a cell, or (with `strict`) names missing files.
    """

    def __init__(self, settings: DataSettings) -> None:
        if not settings.path.is_file():
            raise DataError(f"{settings.path} is no file; expected a CSV file with the columns image and mask.")
        if settings.mask_suffix:
            raise DataError("[data] mask_suffix is not for format = 'csv', whose file names each mask. Leave it out.")
        labels = read_labels(settings.path.parent, settings.classes, settings.ignore_index)
        pairs = _read_pairs(settings.path)
        super().__init__(settings, labels, pairs, _missing_files(pairs))


def _read_pairs(path: Path) -> dict[str, list[FilePair]]:
    """The pairs of each split, or of `UNSPLIT`, sorted by name."""
    pairs: dict[str, list[FilePair]] = defaultdict(list)
    lines: dict[str, int] = {}
    for number, row in _rows(path):
        image = path.parent / row["image"]
        name = Path(row["image"]).with_suffix("").as_posix()
        if name in lines:
            raise DataError(f"{path}: lines {lines[name]} and {number} both name {row['image']}; keep one.", path)
        lines[name] = number
        pair = FilePair(name, image, path.parent / row["mask"], row.get("group") or "")
        pairs[_split(row, path, number)].append(pair)
    if not pairs:
        raise DataError(f"{path} lists no images; expected a line for each.", path)
    if UNSPLIT in pairs and len(pairs) > 1:
        raise DataError(f"{path} gives a split for some images only; give one for each, or for none.", path)
    return {split: sorted(pairs[split]) for split in (UNSPLIT, *SPLITS) if split in pairs}


def _rows(path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """Each line's number and cells by column, of lines that are not empty."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"Cannot read {path}: {error}. Expected a CSV file in UTF-8.", path) from error
    header = text.partition("\n")[0]
    reader = csv.DictReader(text.splitlines(), delimiter=max(_DELIMITERS, key=header.count), restval="")
    columns = [column.strip().lower() for column in reader.fieldnames or ()]
    missing = {"image", "mask"} - set(columns)
    if missing:
        raise DataError(
            f"{path} has the columns {', '.join(columns) or 'none'}; expected image and mask, and optionally split and "
            "group, in its first line.",
            path,
        )
    reader.fieldnames = columns
    for row in reader:
        cells = {column: (row[column] or "").strip() for column in columns}
        for column in ("image", "mask"):
            if not cells[column]:
                raise DataError(f"{path}, line {reader.line_num}: the {column} is missing.", path)
        yield reader.line_num, cells


def _split(row: Mapping[str, str], path: Path, number: int) -> str:
    given = row.get("split", "").lower()
    if given and given not in _SPLIT_OF_NAME:
        raise DataError(
            f"{path}, line {number}: split is {row['split']!r}; expected {', '.join(_SPLIT_OF_NAME)}, or none at all.",
            path,
        )
    return _SPLIT_OF_NAME[given] if given else UNSPLIT


def _missing_files(pairs: Mapping[str, list[FilePair]]) -> Iterator[Problem]:
    for listed in pairs.values():
        for pair in listed:
            for kind, file in (("image", pair.image), ("mask", pair.mask)):
                if not file.is_file():
                    message = f"{file} is missing; paths in the CSV file are relative to its folder."
                    yield Problem("error", message, file, f"missing {kind}")
