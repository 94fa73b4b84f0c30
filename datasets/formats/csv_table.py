"""Pairs of files that a CSV file lists."""

from __future__ import annotations

import csv
import io
import os
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from datasets.dataset import SPLITS, DataError
from datasets.formats.classes import read_labels
from datasets.formats.files import FileFormat, FilePair
from datasets.formats.folder import SPLIT_OF_NAME
from datasets.formats.format import DataSettings
from datasets.formats.splits import UNSPLIT
from datasets.statistics import Problem

_DELIMITERS = (",", ";", "\t")
_SHOWN = 200
_NEEDED, _OPTIONAL = ("image", "mask"), ("split", "group")


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

    @classmethod
    def recognizes(cls, path: Path) -> bool:
        return path.is_file() and path.suffix.lower() in (".csv", ".tsv")

    def __init__(self, settings: DataSettings) -> None:
        path = settings.path
        if not path.is_file():
            given = "is a folder" if path.is_dir() else "does not exist"
            raise DataError(f"CSV file {path} {given}; expected a file with the columns image and mask.", path)
        if settings.mask_suffix:
            raise DataError("[data] mask_suffix is not for format = 'csv', whose file names each mask. Leave it out.")
        labels = read_labels(path.parent, settings.classes, settings.ignore_index)
        pairs = _read_pairs(path)
        has_groups = any(pair.group for listed in pairs.values() for pair in listed)
        if has_groups and settings.split is not None and settings.split.group is not None:
            raise DataError(f"[data] split: group is given, but {path} has a column group too; leave one out.", path)
        super().__init__(settings, labels, pairs, _missing_files(pairs))


class _Row(NamedTuple):
    """A line of the file: its number, and its cells by column."""

    line: int
    cells: Mapping[str, str]


def _read_pairs(path: Path) -> dict[str, list[FilePair]]:
    """The pairs of each split, or of `UNSPLIT`, sorted by name."""
    pairs: dict[str, list[FilePair]] = defaultdict(list)
    rows: dict[str, _Row] = {}
    for row in _rows(path):
        name = _name(path.parent, row.cells["image"])
        if name in rows:
            first = rows[name]
            raise DataError(
                f"{path}: lines {first.line} and {row.line} name {first.cells['image']} and {row.cells['image']}; keep "
                "one (names must differ before their suffix).",
                path,
            )
        rows[name] = row
        image, mask = (path.parent / row.cells[column] for column in _NEEDED)
        pairs[_split(row, path)].append(FilePair(name, image, mask, row.cells.get("group", "")))
    if not pairs:
        raise DataError(f"{path} lists no images; expected a line for each.", path)
    if UNSPLIT in pairs and len(pairs) > 1:
        raise DataError(f"{path} gives a split for some images only; give one for each, or for none.", path)
    return {split: sorted(pairs[split]) for split in (UNSPLIT, *SPLITS) if split in pairs}


def _name(folder: Path, image: str) -> str:
    """An image's path relative to `folder` if it lies there, without its suffix; one for all ways to write a path."""
    whole = Path(os.path.normpath(folder / image))
    home = Path(os.path.normpath(folder))
    inside = whole.relative_to(home) if whole.is_relative_to(home) else Path(os.path.normpath(image))
    return inside.with_suffix("").as_posix()


def _rows(path: Path) -> Iterator[_Row]:
    """The lines that are not empty."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"Cannot read {path}: {error}. Expected a CSV file in UTF-8.", path) from error
    first = text.partition("\n")[0]
    if len(first) > csv.field_size_limit():
        raise DataError(f"{path} has no end of a line in {len(first):,} characters; expected a CSV file.", path)
    columns, delimiter = _header(first, path)
    reader = csv.reader(io.StringIO(text), delimiter=delimiter)
    try:
        next(reader)
        for cells in reader:
            if any(cell.strip() for cell in cells):
                yield _row(columns, cells, path, reader.line_num)
    except csv.Error as error:
        raise DataError(f"{path}, line {reader.line_num}: {error}. Expected a CSV file.", path) from error


def _row(columns: Sequence[str], cells: Sequence[str], path: Path, line: int) -> _Row:
    if any(cell.strip() for cell in cells[len(columns) :]):
        raise DataError(
            f"{path}, line {line}: {len(cells)} cells, but the first line has {len(columns)} columns; put cells that "
            'contain the delimiter in quotes ("...").',
            path,
        )
    row = {column: cell.strip() for column, cell in zip(columns, cells, strict=False)}
    for column in _NEEDED:
        if not row.get(column):
            raise DataError(f"{path}, line {line}: the {column} is missing.", path)
    return _Row(line, row)


def _header(first: str, path: Path) -> tuple[list[str], str]:
    """The columns of the first line, in lower case, and the delimiter: the one that gives an image and a mask."""
    for delimiter in _DELIMITERS:
        columns = [column.strip().lower() for column in next(csv.reader([first], delimiter=delimiter), [])]
        if set(_NEEDED) <= set(columns):
            twice = [column for column in (*_NEEDED, *_OPTIONAL) if columns.count(column) > 1]
            if twice:
                raise DataError(f"{path} has more than one column {twice[0]}; keep one.", path)
            return columns, delimiter
    raise DataError(
        f"{path} starts with {first.strip()[:_SHOWN]!r}; expected the names of columns in its first line: image and "
        "mask, and optionally split and group, between commas, semicolons or tabs.",
        path,
    )


def _split(row: _Row, path: Path) -> str:
    given = row.cells.get("split", "")
    if given and given.lower() not in SPLIT_OF_NAME:
        raise DataError(
            f"{path}, line {row.line}: split is {given!r}; expected {', '.join(SPLIT_OF_NAME)}, or none at all.", path
        )
    return SPLIT_OF_NAME[given.lower()] if given else UNSPLIT


def _missing_files(pairs: Mapping[str, list[FilePair]]) -> Iterator[Problem]:
    for listed in pairs.values():
        for pair in listed:
            for kind, file in (("image", pair.image), ("mask", pair.mask)):
                if not _is_file(file):
                    message = f"{file} is missing; paths in the CSV file are relative to its folder."
                    yield Problem("error", message, file, f"missing {kind}")


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # such as a name that is too long
        return False
