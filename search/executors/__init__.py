"""Where trials run. An executor takes a `TrialSpec` and returns a future of its `Outcome`.

A new executor is a module here and a line in `search.study.choices.EXECUTORS`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from typing import Protocol

from search.study.choices import EXECUTORS, load_choice
from search.study.config import StudyConfig, WorkersSection
from search.trial.contract import Device, Outcome, TrialSpec


class Executor(Protocol):
    """Runs trials on workers, each of which owns one device and runs one trial at a time.

    A trial runs `search.trial.run.run_trial(spec)` in a fresh process, on any machine that shares with the driver:

    - the study folder, under the same path, on a file system that renames atomically and shows a renamed file to
      everyone (a local disk, NFS);
    - the data, and the encoder's weights, under the paths that the study names;
    - this project and its packages, in the same versions.

    No clock needs to agree: whether a trial is alive is decided by the driver, by its own clock alone, from whether the
    content of the trial's `progress.json` still changes (`search.trial.progress.ProgressWatch`).
    """

    @property
    def devices(self) -> Sequence[Device]:
        """One entry per worker; the workers' names differ."""

    @property
    def notes(self) -> Sequence[str]:
        """What the user should know of the devices before the search starts."""

    def check_devices(self, devices: Sequence[Device]) -> Mapping[str, str]:
        """Try what a trial needs of each device once: the workers that cannot work, each with the reason.

        Takes no noticeable time where nothing can be wrong, and ends in any case.
        """

    def submit(self, spec: TrialSpec) -> Future[Outcome]:
        """Start a trial on `spec.device`, which must be free.

        Where the device cannot be used, the outcome's status is `unusable`. The future's exception is set only where
        the process itself was lost; it is `ProcessNotStarted` where there never was one. Cancelling the future succeeds
        while the trial runs, and ends its process and whatever that has started.
        """

    def shutdown(self) -> None:
        """End every process that still runs, and wait for it."""


class ExecutorClass(Protocol):
    """What an entry of `EXECUTORS` names."""

    def from_config(self, workers: WorkersSection) -> Executor:
        """The executor that a study file's `[workers]` describes. Raises UserError if it is not available here."""


def make_executor(config: StudyConfig) -> Executor:
    """The executor that `[workers]` asks for.

    Raises:
        UserError: a package that it needs is not installed, or it is not available here.
    """
    chosen: ExecutorClass = load_choice(EXECUTORS, config.workers.executor)
    return chosen.from_config(config.workers)
