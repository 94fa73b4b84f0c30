"""Durable files: replaced atomically, or appended by whole lines."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any


def write_atomically(path: Path, content: str | bytes, *, durable: bool = True) -> None:
    """Replace `path` by `content` (text as UTF-8) in one step; a reader sees the old or the new file, never a part.

    With `durable`, the content survives a power cut once this returns.
    """
    data = content.encode() if isinstance(content, str) else content
    beside = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with beside.open("wb") as file:
            file.write(data)
            if durable:
                file.flush()
                os.fsync(file.fileno())
        beside.replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            beside.unlink()
        raise
    if durable:
        sync_directory(path.parent)


def sync_directory(path: Path) -> None:
    """Make renames inside a directory durable."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_json(path: Path, value: Any, *, durable: bool = True) -> None:
    """Write `value` as JSON, atomically."""
    write_atomically(path, json.dumps(value, indent=1), durable=durable)


def read_json(path: Path) -> Any | None:
    """The value in a JSON file; None where the file is missing, torn, empty or anything else than JSON."""
    try:
        return json.loads(path.read_text())
    except (FileNotFoundError, ValueError, RecursionError):
        return None


def backup_of(path: Path) -> Path:
    """Where the copy of a file that nothing else could replace is kept."""
    return path.with_name(f"{path.name}.bak")


def write_with_backup(path: Path, content: str) -> None:
    """Durably replace a file, then its copy beside it: whichever of the two is damaged, the other one is whole."""
    for file in (path, backup_of(path)):
        write_atomically(file, content)


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


def folder_bytes(path: Path) -> int:
    """Size of all files below a folder, in bytes; files that vanish meanwhile count nothing."""
    total = 0
    for root, _, names in os.walk(path):
        for name in names:
            with contextlib.suppress(OSError):
                total += (Path(root) / name).lstat().st_size
    return total
