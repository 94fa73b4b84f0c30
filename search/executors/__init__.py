"""Where trials run. An executor takes a `TrialSpec` and returns a future of its `Outcome`."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future
from typing import Protocol

from search.study.config import StudyConfig
from search.trial.contract import Device, Outcome, TrialSpec


class Executor(Protocol):
    """Runs trials on workers, each of which owns one device and runs one trial at a time."""

    @property
    def devices(self) -> Sequence[Device]:
        """One entry per worker."""

    def submit(self, spec: TrialSpec) -> Future[Outcome]:
        """Start a trial on `spec.device`, which must be free.

        The future's exception is set only where the process itself was lost. Cancelling the future ends the process.
        """

    def shutdown(self) -> None:
        """End every process that still runs, and wait for it."""


def make_executor(config: StudyConfig) -> Executor:
    """The executor that `[workers]` asks for."""
    from search.executors.local import LocalExecutor

    return LocalExecutor(config.workers.count, config.workers.threads)
