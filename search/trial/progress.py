"""The trial's `progress.json`: the step that it is at, for the driver and for `status`."""

from __future__ import annotations

import time

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
            phase: `start`, `train` or `validate`.
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
