"""Trials as fresh processes on this machine, one per device."""

from __future__ import annotations

import contextlib
import multiprocessing
import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from concurrent.futures import wait as wait_for
from multiprocessing.context import ForkServerContext
from typing import Any, Self, TypeVar

from datasets.cores import usable_cores
from search.executors.devices import find_gpus, share_devices
from search.executors.process import OwnProcess
from search.executors.sockets import make_socket_folder
from search.study.config import WorkersSection
from search.system.quiet import quiet_environment
from search.trial.contract import Device, Outcome, TrialSpec
from search.trial.device import why_unusable
from search.trial.run import run_trial

T = TypeVar("T")

# Loaded once by the server that trial processes are forked from, so that a trial starts in a second.
PRELOAD = ["search.executors.preload"]
# Before a process that could not be started is tried again, in seconds: a moment later there may be room for it.
START_PAUSES = (1.0, 3.0)
# A GPU that has not computed anything after this time cannot be used, in seconds.
CHECK_SECONDS = 180.0


class LocalExecutor:
    """Runs each trial in a process of its own: nothing a trial leaves behind reaches the next.

    Args:
        workers: trials at a time; None for one per GPU, or one on a machine without.
        threads: that each trial computes with on a machine without GPUs; None for one per core.
    """

    def __init__(self, workers: int | None = None, threads: int | None = None) -> None:
        quiet_environment()
        gpus = find_gpus()
        self._devices = share_devices(workers, gpus.names, usable_cores(), threads)
        self._notes = [] if gpus.note is None else [gpus.note]
        self._context = fork_context()
        self._processes: list[OwnProcess[Any]] = []

    @classmethod
    def from_config(cls, workers: WorkersSection) -> Self:
        """The executor that a study file's `[workers]` describes."""
        return cls(workers.count, workers.threads)

    @property
    def devices(self) -> Sequence[Device]:
        """One entry per worker."""
        return self._devices

    @property
    def notes(self) -> Sequence[str]:
        """Why there are fewer GPUs than the user may expect."""
        return self._notes

    def check_devices(self, devices: Sequence[Device]) -> Mapping[str, str]:
        """Compute something on each GPU, in a process of its own; cores need no check. See `Executor.check_devices`."""
        checks = {gpu: self._start(why_unusable, gpu, name=f"check of GPU {gpu}") for gpu in _gpus_of(devices)}
        wait_for([check.future for check in checks.values()], CHECK_SECONDS)
        faults = {gpu: _fault(check) for gpu, check in checks.items()}
        return {device.worker: fault for device in devices if device.gpu and (fault := faults[device.gpu]) is not None}

    def submit(self, spec: TrialSpec) -> Future[Outcome]:
        """Start a trial in a process of its own; see `Executor.submit`."""
        return self._start(run_trial, spec, name=f"trial {spec.trial_id}").future

    def _start(self, function: Callable[..., T], *arguments: Any, name: str) -> OwnProcess[T]:
        """Start a process, at the third attempt at the latest if it can be started at all."""
        self._wait_for([process for process in self._processes if process.future.done()])
        for pause in (*START_PAUSES, None):
            with interrupts_blocked():
                process = OwnProcess(self._context, function, *arguments, name=name)
            if process.is_started or pause is None:
                break
            time.sleep(pause)
        self._processes.append(process)
        return process

    def shutdown(self) -> None:
        """End every process that still runs, and wait for it."""
        for process in self._processes:
            process.future.cancel()
        self._wait_for(list(self._processes))

    def _wait_for(self, ending: Sequence[OwnProcess[Any]]) -> None:
        """Wait until processes that are ending have ended: then their devices and files are free."""
        for process in ending:
            process.wait()
            self._processes.remove(process)


def fork_context() -> ForkServerContext:
    """Processes forked from a server that has loaded the libraries. Raises UserError where it can have no socket."""
    make_socket_folder()
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOAD)
    return context


def _gpus_of(devices: Sequence[Device]) -> list[str]:
    """The GPUs of some devices, each once, however many workers share it."""
    return list(dict.fromkeys(device.gpu for device in devices if device.gpu is not None))


def _fault(check: OwnProcess[str | None]) -> str | None:
    """What the check of a GPU has found, whose time is over."""
    if check.future.cancel():
        return f"it computed nothing within {CHECK_SECONDS:.0f} s"
    lost = check.future.exception()
    return check.future.result() if lost is None else str(lost)


@contextlib.contextmanager
def interrupts_blocked() -> Iterator[None]:
    """Around the start of processes, whose server inherits this: Ctrl-C is for the driver alone."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
