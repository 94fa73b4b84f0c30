"""Full disks: noticed beforehand, and told apart from other errors."""

from __future__ import annotations

import errno
import shutil
from pathlib import Path

from search.errors import SearchStopped
from search.system.wording import mebibytes, millions

# A weight, and its two moments in the optimizer, as float32.
_BYTES_PER_PARAMETER = 3 * 4
# `last/`, the one that is being written next to it, and `best/`.
_CHECKPOINTS = 3
# Reserved for rows, logs and events.
_RESERVE = 32 * 2**20


def check_room(folder: Path, parameters: int) -> None:
    """Raises SearchStopped if the disk that holds `folder` has no room for the checkpoints of another trial."""
    free, needed = free_bytes(folder), _CHECKPOINTS * _BYTES_PER_PARAMETER * parameters + _RESERVE
    if free < needed:
        raise SearchStopped(
            f"{mebibytes(free)} are left on the disk of {folder}, and a trial of {millions(parameters)} parameters "
            f"needs up to {mebibytes(needed)}. Make room."
        )


def is_disk_full(error: BaseException) -> bool:
    """Whether a write failed for lack of space: on the disk, in a quota, or under a limit on the size of files.

    h5py reports the system's error number only in its text.
    """
    if not isinstance(error, OSError):
        return False
    full = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
    return error.errno in full or any(f"errno = {number}," in str(error) for number in full)


def free_bytes(path: Path) -> int:
    """Free space on the disk that holds `path`, or would."""
    while not path.exists():
        path = path.parent
    return shutil.disk_usage(path).free
