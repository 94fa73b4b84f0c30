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


def append_csv(path: Path, columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> None:
    """Append whole lines to a CSV file that has its header already; where that fails, the file is as before."""
    with path.open("ab", buffering=0) as file:
        before, data = file.tell(), csv_lines(rows, columns).encode()
        try:
            while data:
                data = data[file.write(data) :]
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
    try:
        reader = csv.DictReader(io.StringIO(whole_lines(path)), restkey="", restval=None)
        rows = list(reader)
    except csv.Error:
        return []
    if columns is not None and tuple(reader.fieldnames or ()) != tuple(columns):
        return []
    # A damaged line has too few cells or too many.
    return [row for row in rows if "" not in row and None not in row.values()]


def whole_lines(path: Path) -> str:
    """The text of a file without a torn last line; empty where there is no file."""
    if not path.exists():
        return ""
    text = path.read_text(errors="replace")
    return text[: text.rfind("\n") + 1]


def _cell(value: Any) -> Any:
    is_nan = isinstance(value, float) and value != value
    return "" if value is None or is_nan else value
