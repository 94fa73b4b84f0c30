"""A trial in flight, seen from the driver: its limits, and the outcome of the attempt."""

from __future__ import annotations

import concurrent.futures
import time
from dataclasses import dataclass

from search.executors.process import ProcessNotStarted, ServerLost
from search.oracle.trials import StudyTrial
from search.study.config import LimitsSection
from search.study.folder import Study
from search.trial.checkpoint import TrainingState, read_state
from search.trial.contract import Device, Outcome
from search.trial.progress import ProgressWatch


@dataclass
class Running:
    """An attempt at a trial.

    Attributes:
        trial: of the oracle.
        device: that it occupies.
        future: of its outcome.
        watch: of its progress file.
        started: by this process's clock, in seconds.
        ended_because: why the driver has ended it, if it has.
    """

    trial: StudyTrial
    device: Device
    future: concurrent.futures.Future[Outcome]
    watch: ProgressWatch
    started: float
    ended_because: str | None = None

    def end_if_over(self, limits: LimitsSection) -> None:
        """End the attempt if it takes too long, or has not made a step for too long."""
        age = time.monotonic() - self.started
        if limits.trial_minutes is not None and age > 60 * limits.trial_minutes:
            self.ended_because = f"took longer than {limits.trial_minutes:g} minutes (trial_minutes)"
        if limits.epoch_stall_minutes is not None and self.watch.seconds_still() > 60 * limits.epoch_stall_minutes:
            self.ended_because = f"no step for {limits.epoch_stall_minutes:g} minutes (epoch_stall_minutes)"
        if self.ended_because is not None:
            self.future.cancel()

    def outcome(self, study: Study) -> Outcome:
        """The outcome of the attempt, which is done; where its process was lost, what its last whole epoch left."""
        # A cancelled future raises instead of returning its exception.
        failure = None if self.future.cancelled() else self.future.exception()
        if self.ended_because is None and failure is None and not self.future.cancelled():
            return self.future.result()
        if isinstance(failure, ProcessNotStarted):
            return Outcome("unusable", error=str(failure))
        if isinstance(failure, ServerLost):
            return Outcome("interrupted")
        state = read_state(study.trial(self.trial.trial_id) / "last") or TrainingState()
        return Outcome(
            "lost",
            rows=state.rows,
            train_seconds=state.train_seconds,
            total_seconds=time.monotonic() - self.started,
            error=self.ended_because or (f"its process ended: {failure}" if failure else "ended by the driver"),
        )
