"""CSV files: replaced atomically, or appended by whole lines."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from search.system.files import write_atomically


def write_csv(path: Path, columns: Sequence[str], rows: Iterable[Mapping[str, Any]], *, durable: bool = True) -> None:
    """Write a whole CSV file, atomically."""
    write_atomically(path, csv_lines([dict(zip(columns, columns, strict=True)), *rows], columns), durable=durable)


def append_csv(path: Path, columns: Sequence[str], rows: Iterable[Mapping[str, Any]], *, durable: bool = True) -> None:
    """Append whole lines to a CSV file that has its header already; where that fails, the file is as before.

    With `durable`, the lines survive a power cut once this returns.
    """
    with path.open("ab", buffering=0) as file:
        before, data = file.tell(), csv_lines(rows, columns).encode()
        try:
            while data:
                data = data[file.write(data) :]
            if durable:
                os.fsync(file.fileno())
        except OSError:
            file.truncate(before)
            raise


def csv_lines(rows: Iterable[Mapping[str, Any]], columns: Sequence[str]) -> str:
    """Rows as CSV text without a header; None and NaN are empty cells."""
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, extrasaction="ignore", restval="", lineterminator="\n")
    writer.writerows({key: _cell(value) for key, value in row.items()} for row in rows)
    return text.getvalue()


def read_csv(path: Path, columns: Sequence[str] | None = None) -> list[dict[str, str]]:
    """The rows of a CSV file as text; a torn last line is ignored, and so is a missing file.

    With `columns`, a file that has others holds no rows.
    """
    reader = csv.DictReader(io.StringIO(whole_lines(path)), restkey="", restval=None)
    rows = _rows_of(reader)
    if columns is not None and tuple(reader.fieldnames or ()) != tuple(columns):
        return []
    return rows


class GrowingCsv:
    """A CSV file that another process appends to, read from where reading stopped.

    Args:
        path: the file, which may not exist yet.
        columns: that it must have; of a file with others nothing is read.
    """

    def __init__(self, path: Path, columns: Sequence[str]) -> None:
        self._path, self._columns = path, columns
        self._header = csv_lines([dict(zip(columns, columns, strict=True))], columns)
        self._inode, self._position, self._rows = 0, 0, 0

    def read(self) -> list[dict[str, str]]:
        """The rows that were not read before. Where the file was replaced, as many rows are skipped as were read."""
        try:
            with self._path.open("rb") as file:
                inode = os.fstat(file.fileno()).st_ino
                skipped = 0
                if inode != self._inode:
                    self._inode, self._position, skipped = inode, 0, self._rows
                file.seek(self._position)
                content = file.read()
        except FileNotFoundError:
            return []
        rows = self._parse(content[: content.rfind(b"\n") + 1])[skipped:]
        self._rows += len(rows)
        return rows

    def _parse(self, lines: bytes) -> list[dict[str, str]]:
        text = lines.decode(errors="replace")
        if self._position == 0:
            if not text.startswith(self._header):
                return []
            text = text.removeprefix(self._header)
        self._position += len(lines)
        return _rows_of(csv.DictReader(io.StringIO(text), self._columns, restkey="", restval=None))


def _rows_of(reader: csv.DictReader[str]) -> list[dict[str, str]]:
    """The whole rows of a reader; a damaged line has too few cells or too many."""
    try:
        return [row for row in reader if "" not in row and None not in row.values()]
    except csv.Error:
        return []


def whole_lines(path: Path) -> str:
    """The text of a file without a torn last line; empty if there is no file."""
    if not path.exists():
        return ""
    text = path.read_text(errors="replace")
    return text[: text.rfind("\n") + 1]


def _cell(value: Any) -> Any:
    is_nan = isinstance(value, float) and value != value
    return "" if value is None or is_nan else value
