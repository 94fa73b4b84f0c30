"""Output that may lose its reader: a terminal that is closed, an `ssh` that ends, a `head` that has seen enough."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator
from typing import IO, TextIO, cast

# What the system says when a terminal, a pipe or a socket has nobody at its other end any more.
_GONE = (errno.EPIPE, errno.EIO, errno.ENXIO, errno.ECONNRESET)


def enduring(stream: TextIO | None) -> IO[str] | None:
    """The stream, but what is written once its reader has gone goes nowhere instead of being an error."""
    return None if stream is None else cast(IO[str], _Enduring(stream))


class _Enduring:
    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    @property
    def encoding(self) -> str:
        return self._stream.encoding

    def isatty(self) -> bool:
        return self._stream.isatty()

    def fileno(self) -> int:
        return self._stream.fileno()

    def write(self, text: str) -> int:
        with self._outliving():
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        with self._outliving():
            self._stream.flush()

    @contextlib.contextmanager
    def _outliving(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            if error.errno not in _GONE:
                raise
            # The descriptor itself: what is buffered still would be an error again when Python ends.
            with contextlib.suppress(OSError):
                os.dup2(os.open(os.devnull, os.O_WRONLY), self._stream.fileno())
