"""The framing of TensorBoard's event files: records one after the other, each with its length before it."""

from __future__ import annotations

import struct
from pathlib import Path

# Length (8 bytes), its checksum (4); then the record, and its checksum (4).
_HEADER, _CHECKSUM = 12, 4


def is_whole(path: Path) -> bool:
    """Whether an event file is there and ends where its last record does; a file that was cut off does not."""
    if not path.is_file():
        return False
    content = path.read_bytes()
    position = 0
    while position + _HEADER <= len(content):
        (length,) = struct.unpack_from("<Q", content, position)
        position += _HEADER + length + _CHECKSUM
    return position == len(content) > 0
