"""The project's log: into a file that rotates, and on request to whoever watches."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from logging.handlers import RotatingFileHandler
from pathlib import Path

# Enough for some ten thousand decisions per file.
MOST_BYTES = 5 * 2**20
KEPT_FILES = 3

_LINE = "%(asctime)s %(levelname)-7s %(name)s: %(message)s"


@contextmanager
def log_to(path: Path, show: Callable[[str], None] | None = None) -> Iterator[None]:
    """Write the log of the search into a file while the block runs, with every detail.

    Args:
        path: the file; older ones are kept beside it as `NAME.1` to `NAME.3`.
        show: also gets each detail, as one line; None where nobody asked for them.
    """
    handlers: list[logging.Handler] = [_file_handler(path)]
    if show is not None:
        handlers.append(_Details(show))
    logger = logging.getLogger("search")
    before = logger.level, logger.propagate
    # The libraries' own handlers, which print to the terminal, must not see these records.
    logger.setLevel(logging.DEBUG)
    logger.propagate = False
    for handler in handlers:
        logger.addHandler(handler)
    try:
        yield
    finally:
        for handler in handlers:
            logger.removeHandler(handler)
            handler.close()
        logger.setLevel(before[0])
        logger.propagate = before[1]


def _file_handler(path: Path) -> logging.Handler:
    handler = _RotatingFile(path, maxBytes=MOST_BYTES, backupCount=KEPT_FILES, encoding="utf-8")
    handler.setFormatter(logging.Formatter(_LINE))
    return handler


class _RotatingFile(RotatingFileHandler):
    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - the name in the standard library
        """A full disk stops the search with a sentence of its own; a traceback per line would only hide it."""


class _Details(logging.Handler):
    """Passes on the records that the terminal does not show anyway."""

    def __init__(self, show: Callable[[str], None]) -> None:
        super().__init__(logging.DEBUG)
        self._show = show

    def emit(self, record: logging.LogRecord) -> None:
        if record.levelno < logging.INFO:
            self._show(record.getMessage())
