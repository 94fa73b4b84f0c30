"""The operating system's locks on files: held by one process at a time, and released when it ends, however it ends."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path

# Whoever only asks holds a lock for an instant: an attempt to take it is repeated for this time, in seconds.
PATIENCE = 0.5
_HELD = (errno.EAGAIN, errno.EACCES, errno.EWOULDBLOCK)


class LockHeldError(Exception):
    """Another process holds the lock."""


class NoLocksError(Exception):
    """The file system cannot lock files."""


@contextlib.contextmanager
def holding(path: Path) -> Iterator[None]:
    """Hold the lock of a file, which is created with its folder where it is missing, while the block runs.

    Raises:
        LockHeldError: another process holds it.
        NoLocksError: the file system has no locks.
        OSError: the file cannot be written.
    """
    descriptor = _take(path)
    try:
        yield
    finally:
        os.close(descriptor)


def is_held(path: Path) -> bool | None:
    """Whether a process holds the lock of a file, without keeping it from anybody; None where that cannot be asked."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return False
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError as error:
        return True if error.errno in _HELD else None
    finally:
        os.close(descriptor)
    return False


def _take(path: Path) -> int:
    deadline = time.monotonic() + PATIENCE
    while True:
        failure: Exception = LockHeldError()
        try:
            descriptor = _attempt(path)
        except (FileNotFoundError, FileExistsError) as error:
            # Another process may be moving the folder away; where it cannot be created, this goes on.
            descriptor, failure = None, error
        if descriptor is not None:
            return descriptor
        if time.monotonic() > deadline:
            raise failure
        time.sleep(0.02)


def _attempt(path: Path) -> int | None:
    """The descriptor that holds the lock, or None where another one does."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # The file may have been moved away before it was locked: that lock says nothing about this path.
        if _is_at(path, descriptor):
            return descriptor
    except OSError as error:
        if error.errno not in _HELD:
            os.close(descriptor)
            raise NoLocksError(error.strerror) from error
    os.close(descriptor)
    return None


def _is_at(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False
