"""What is wrong with the file of a checkpoint, told apart from what is wrong where it is read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from search.system.files import checksum
from search.trial.checkpoint import recorded_checksum
from search.trial.failures import one_line, status_of


def damage_of(weights: Path) -> str | None:
    """What is wrong with a weights file, in one line; None if it is as it was written.

    Raises:
        MemoryError: there is too little memory to read it.
    """
    try:
        recorded = recorded_checksum(weights.parent)
        if recorded is None:
            _read_arrays(weights)
        elif checksum(weights) != recorded:
            return f"{weights} is not as it was written"
    # h5py raises errors of many kinds on damaged files.
    except Exception as error:
        if status_of(error) == "out_of_memory":
            raise
        return f"{weights} cannot be read: {one_line(error)}"
    return None


def _read_arrays(weights: Path) -> None:
    """Read a file whose checksum is not known: checkpoints of earlier versions have none."""
    import h5py

    from deeplab.archive import check_arrays

    with h5py.File(weights) as file:
        check_arrays(file)
        file.visititems(_read)


def _read(_: str, item: Any) -> None:
    # A group has no values.
    if hasattr(item, "dtype"):
        item[()]
