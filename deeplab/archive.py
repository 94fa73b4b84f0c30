"""Size limits for weights files, because an untrusted one may decompress to far more than its own size."""

from __future__ import annotations

import zipfile
from typing import Any

import h5py

# Several times the size of the largest network here, including its optimizer state.
MOST_BYTES = 8 * 2**30


def check_archive(archive: zipfile.ZipFile) -> None:
    """Refuse an archive, such as a `.keras` file, before anything in it is unpacked.

    Raises:
        ValueError: its files are larger than `MOST_BYTES` when unpacked.
    """
    _check(sum(entry.file_size for entry in archive.infolist()))


def check_arrays(file: h5py.Group) -> None:
    """Refuse an HDF5 file before any of its arrays are read.

    Raises:
        ValueError: its arrays are larger than `MOST_BYTES` when read.
    """
    sizes = []

    def add(_: str, item: Any) -> None:
        sizes.append(item.nbytes if isinstance(item, h5py.Dataset) else 0)

    file.visititems(add)
    _check(sum(sizes))


def _check(size: int) -> None:
    if size > MOST_BYTES:
        raise ValueError(f"it decompresses to {size / 2**30:.0f} GB, over the limit of {MOST_BYTES / 2**30:.0f} GB")
