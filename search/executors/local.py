"""Trials as fresh processes on this machine, one a device."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from multiprocessing.context import ForkServerContext
from typing import Any, TypeVar

import pebble

from datasets.dataset import usable_cores
from search.quiet import quiet_environment
from search.trial import Device, Outcome, TrialSpec, run_trial

# Loaded once by the server that trial processes are forked from, so that a trial starts in a second.
PRELOAD = ["search.executors.preload"]

T = TypeVar("T")


class LocalExecutor:
    """Runs each trial in a process of its own: nothing a trial leaves behind reaches the next.

    Args:
        workers: trials at a time; None for one per GPU, or one on a machine without.
    """

    def __init__(self, workers: int | None = None) -> None:
        quiet_environment()
        self._devices = share_devices(workers, list_gpus(), usable_cores())
        self._context = fork_context()
        self._started: list[tuple[Future[Outcome], pebble.ProcessPool]] = []

    @property
    def devices(self) -> Sequence[Device]:
        """One entry per worker."""
        return self._devices

    def submit(self, spec: TrialSpec) -> Future[Outcome]:
        """Start a trial in a process of its own; see `Executor.submit`."""
        self._end(lambda future: future.done())
        # One pool for all would start the next process ahead, which complains where it is no longer wanted.
        pool = pebble.ProcessPool(max_workers=1, context=self._context)
        future: Future[Outcome] = schedule(pool, run_trial, [spec])
        self._started.append((future, pool))
        return future

    def shutdown(self) -> None:
        """End every process that still runs, and wait for it."""
        self._end(lambda _: True)

    def _end(self, chosen: Callable[[Future[Outcome]], bool]) -> None:
        """End the chosen trials' processes; their devices are free once this returns."""
        ending = [(future, pool) for future, pool in self._started if chosen(future)]
        self._started = [pair for pair in self._started if pair not in ending]
        for _, pool in ending:
            pool.stop()  # type: ignore[no-untyped-call]  # pebble
        for _, pool in ending:
            pool.join()


def fork_context() -> ForkServerContext:
    """Processes forked from a server that has loaded the libraries."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOAD)
    return context


def schedule(
    pool: pebble.ProcessPool, function: Callable[..., T], arguments: Sequence[Any], timeout: float | None = None
) -> Future[T]:
    """Run a function in a pool whose processes leave Ctrl-C to this one to answer."""
    # The server that processes are forked from inherits the mask.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        future: Future[T] = pool.schedule(function, args=arguments, timeout=timeout)
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    return future


def share_devices(workers: int | None, gpus: Sequence[str], cores: int) -> list[Device]:
    """One GPU a worker where there are GPUs, with the cores shared out; else the cores alone.

    Args:
        workers: how many; None for one per GPU, or one.
        gpus: indices of the GPUs.
        cores: of this machine.
    """
    count = workers or len(gpus) or 1
    threads = max(1, cores // count)
    if not gpus:
        return [Device(f"cpu{number}", None, threads) for number in range(count)]
    # More workers than GPUs share them in turn, as the user asked.
    return [
        Device(f"gpu{gpus[number % len(gpus)]}.{number}", gpus[number % len(gpus)], threads) for number in range(count)
    ]


def list_gpus() -> list[str]:
    """Indices of the NVIDIA GPUs that this process may use, without touching them."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return [index.strip() for index in visible.split(",") if index.strip() not in ("", "-1")]
    if shutil.which("nvidia-smi") is None:
        return []
    command = ["nvidia-smi", "--query-gpu=index", "--format=csv,noheader"]
    listed = subprocess.run(command, capture_output=True, text=True, check=False)
    return listed.stdout.split() if listed.returncode == 0 else []
