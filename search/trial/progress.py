"""Whether a trial still makes progress, as the driver sees it."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

PROGRESS_FILE = "progress.json"


class ProgressWatch:
    """Remembers what a trial's progress file last said, and when that changed.

    The trial may run on another machine, whose clock need not agree with this one: only content is compared, and only
    this process's own clock is read. Make one as the trial is submitted.

    Args:
        trial: the trial's folder, which need not have a progress file yet.
        clock: seconds that never go back.
    """

    def __init__(self, trial: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self._file = trial / PROGRESS_FILE
        self._clock = clock
        self._content = self._read()
        self._changed = clock()

    def seconds_still(self) -> float:
        """Seconds since the content was first seen as it is now, or since this watch was made."""
        content = self._read()
        if content is not None and content != self._content:
            self._content, self._changed = content, self._clock()
        return self._clock() - self._changed

    def _read(self) -> bytes | None:
        """The file's content; None where it is missing or cannot be read at the moment."""
        try:
            return self._file.read_bytes()
        except OSError:
            return None
