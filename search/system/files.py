"""Durable files: replaced atomically, or appended by whole lines."""

from __future__ import annotations

import contextlib
import json
import os
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


def write_with_backup(path: Path, content: str, *, durable: bool = True) -> None:
    """Replace a file, then its copy beside it: whichever of the two is damaged, the other one is whole.

    With `durable`, the file survives a power cut once this returns. The copy need not: it is there against damage done
    to the file, and syncing it would double the time that this takes.
    """
    write_atomically(path, content, durable=durable)
    write_atomically(backup_of(path), content, durable=False)


def folder_bytes(path: Path) -> int:
    """Size of all files below a folder, in bytes; files that vanish meanwhile count nothing."""
    total = 0
    for root, _, names in os.walk(path):
        for name in names:
            with contextlib.suppress(OSError):
                total += (Path(root) / name).lstat().st_size
    return total
