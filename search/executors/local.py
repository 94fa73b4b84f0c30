"""Trials as fresh processes on this machine, one a device."""

from __future__ import annotations

import contextlib
import multiprocessing
import signal
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from multiprocessing.context import ForkServerContext
from typing import Self

from datasets.cores import usable_cores
from search.executors.devices import list_gpus, share_devices
from search.executors.process import OwnProcess
from search.study.config import WorkersSection
from search.system.quiet import quiet_environment
from search.trial.contract import Device, Outcome, TrialSpec
from search.trial.run import run_trial

# Loaded once by the server that trial processes are forked from, so that a trial starts in a second.
PRELOAD = ["search.executors.preload"]


class LocalExecutor:
    """Runs each trial in a process of its own: nothing a trial leaves behind reaches the next.

    Args:
        workers: trials at a time; None for one per GPU, or one on a machine without.
        threads: that each trial computes with on a machine without GPUs; None for one a core.
    """

    def __init__(self, workers: int | None = None, threads: int | None = None) -> None:
        quiet_environment()
        self._devices = share_devices(workers, list_gpus(), usable_cores(), threads)
        self._context = fork_context()
        self._processes: list[OwnProcess[Outcome]] = []

    @classmethod
    def from_config(cls, workers: WorkersSection) -> Self:
        """The executor that a study file's `[workers]` describes."""
        return cls(workers.count, workers.threads)

    @property
    def devices(self) -> Sequence[Device]:
        """One entry per worker."""
        return self._devices

    def submit(self, spec: TrialSpec) -> Future[Outcome]:
        """Start a trial in a process of its own; see `Executor.submit`."""
        self._wait_for([process for process in self._processes if process.future.done()])
        with interrupts_blocked():
            process = OwnProcess(self._context, run_trial, spec, name=f"trial {spec.trial_id}")
        self._processes.append(process)
        return process.future

    def shutdown(self) -> None:
        """End every process that still runs, and wait for it."""
        for process in self._processes:
            process.future.cancel()
        self._wait_for(list(self._processes))

    def _wait_for(self, ending: Sequence[OwnProcess[Outcome]]) -> None:
        """Wait until processes that end have ended: their devices and files are free then."""
        for process in ending:
            process.wait()
            self._processes.remove(process)


def fork_context() -> ForkServerContext:
    """Processes forked from a server that has loaded the libraries."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOAD)
    return context


@contextlib.contextmanager
def interrupts_blocked() -> Iterator[None]:
    """While processes are started: the server that they are forked from inherits this. Ctrl-C is the driver's."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
