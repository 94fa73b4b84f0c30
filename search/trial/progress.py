"""The trial's `progress.json`: the step that it has reached, for `status`, and for the driver as a sign of life."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from search.system.files import write_json
from search.trial.contract import TrialSpec

PROGRESS_FILE = "progress.json"
# The file is replaced at most this often, in seconds.
INTERVAL = 0.5


class ProgressFile:
    """Replaces a trial's `progress.json` as it trains; call it with every step."""

    def __init__(self, spec: TrialSpec) -> None:
        self._spec = spec
        self._path = spec.folder / PROGRESS_FILE
        self._reported = 0.0

    def __call__(self, epoch: int, phase: str, step: int, steps: int, rate: float) -> None:
        """Report a step, unless another one has just been reported.

        Args:
            epoch: counted from 1 over all rungs.
            phase: `start`, `train`, `validate` or `test`.
            step: steps of the phase that are done.
            steps: of the whole phase.
            rate: images per second.
        """
        now = time.time()
        # The ends of a phase are always shown.
        if now - self._reported < INTERVAL and step not in (0, steps):
            return
        self._reported = now
        report = {
            "time": now,
            "phase": phase,
            "epoch": epoch,
            "last_epoch": self._spec.last_epoch,
            "step": step,
            "steps": steps,
            "images_per_second": round(rate, 1),
            "worker": self._spec.device.worker,
        }
        write_json(self._path, report, durable=False)


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
