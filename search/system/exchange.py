"""Two folders change places in one step, where the system can."""

from __future__ import annotations

import ctypes
import os
import sys
from pathlib import Path

# Linux's `renameat2` and macOS's `renamex_np`: the flag has the same value, and Python has neither function.
_SWAP = 2
_HERE = -100  # AT_FDCWD: paths are relative to the working directory


def put_in_place(new: Path, path: Path) -> None:
    """Rename `new` to `path`; what was there is at `new` afterwards if it was a folder, and gone if it was a file.

    A reader of `path` sees the old or the new one at any moment. Only where the system cannot exchange folders is there
    an instant without either.
    """
    if not path.is_dir() or path.is_symlink():
        new.replace(path)
    elif not _exchange(new, path):
        aside = new.with_name(f"{new.name}.old")
        path.rename(aside)
        new.rename(path)
        aside.rename(new)


def _exchange(one: Path, other: Path) -> bool:
    """Whether two paths have changed places."""
    names = os.fsencode(one), os.fsencode(other)
    try:
        library = ctypes.CDLL(None)
        if sys.platform == "darwin":
            return bool(library.renamex_np(*names, _SWAP) == 0)
        return bool(library.renameat2(_HERE, names[0], _HERE, names[1], _SWAP) == 0)
    except (OSError, AttributeError):
        return False
