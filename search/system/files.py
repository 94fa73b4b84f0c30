"""Durable files: replaced atomically, or appended by whole lines."""

from __future__ import annotations

import contextlib
import json
import os
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from search.errors import UserError

# Bytes that are read at a time.
_BLOCK = 2**22


def write_atomically(path: Path, content: str | bytes, *, durable: bool = True) -> None:
    """Replace `path` by `content` in one step; a reader sees the old or the new file, never a part.

    Text becomes UTF-8; the names of files that are no text are escaped in it.
    With `durable`, the content survives a power cut once this returns.
    """
    data = content.encode(errors="backslashreplace") if isinstance(content, str) else content
    # In the same folder, because a rename is atomic only within a file system. The process id keeps two writers apart,
    # and `is_being_written` reads it from this name.
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


def is_being_written(beside: Path) -> bool:
    """Whether the temporary file of `write_atomically` belongs to another process of this machine that still runs."""
    process = beside.name.removesuffix(".tmp").rpartition(".")[2]
    if not process.isdecimal() or int(process) in (0, os.getpid()):
        return False
    try:
        os.kill(int(process), 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True


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
    """The value in a JSON file; None if the file is missing, empty, cut off or anything other than JSON."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    # A damaged or forged file may be nested too deeply to be parsed.
    except (FileNotFoundError, ValueError, RecursionError):
        return None


def checksum(path: Path) -> int:
    """The CRC-32 of a file's bytes."""
    found = 0
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            found = zlib.crc32(block, found)
    return found


def backup_of(path: Path) -> Path:
    """The path of the copy of a file that could not be replaced by anything else."""
    return path.with_name(f"{path.name}.bak")


def write_with_backup(path: Path, content: str, *, durable: bool = True) -> None:
    """Replace a file, then its copy beside it: whichever of the two is damaged, the other one is whole.

    With `durable`, the file survives a power cut once this returns. The copy need not: it is there against damage done
    to the file, and syncing it would double the time that this takes.
    """
    write_atomically(path, content, durable=durable)
    write_atomically(backup_of(path), content, durable=False)


@contextlib.contextmanager
def writing_to(path: Path, option: str | None = None) -> Iterator[None]:
    """Wrap the writing of what the user asked for: if the system refuses, the user must choose another path.

    Args:
        path: as the message names it.
        option: of the command that chose the path, such as `--to`; None if there is none.

    Raises:
        UserError: `path` cannot be written.
    """
    try:
        yield
    except OSError as error:
        raise cannot_be_written(path, str(error.strerror), option) from None


def cannot_be_written(path: Path, why: str, option: str | None = None) -> UserError:
    """The error for a path that the user chose and that the system refuses."""
    advice = f" Choose another {option}." if option else ""
    return UserError(f"{path} cannot be written: {why}.{advice}")


def make_folder(path: Path, option: str) -> None:
    """Create a folder that `option` chose, if it does not exist. Raises UserError if it cannot be written."""
    with writing_to(path, option):
        path.mkdir(parents=True, exist_ok=True)


def folder_bytes(path: Path) -> int:
    """Size of all files below a folder, in bytes; files that vanish meanwhile are not counted."""
    total = 0
    for root, _, names in os.walk(path):
        for name in names:
            with contextlib.suppress(OSError):
                total += (Path(root) / name).lstat().st_size
    return total
