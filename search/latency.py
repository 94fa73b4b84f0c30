"""Latency as a limit: each architecture is measured once, in a process beside the driver, and remembered.

A measured time that decided a draw is part of the study: it is kept in `latency.json`, so that a continued study draws
the configurations that it drew before.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import signal
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

import pebble

from datasets.dataset import usable_cores
from deeplab import Architecture
from search.executors.local import fork_context, list_gpus, schedule, share_devices
from search.files import read_json, write_json
from search.trial import Device, follow_driver, prepare_device

# A network that takes longer to build, trace and run than this counts as one that cannot be measured, in seconds.
PATIENCE = 600.0
# A process keeps some memory of each network: after so many a fresh one takes over.
NETWORKS_PER_PROCESS = 20


class LatencyMeter:
    """Milliseconds of architectures on this machine's first device, each measured once. A context manager.

    Args:
        image_size: (height, width).
        classes: outputs of the networks.
        say: told of each measurement in one line.
    """

    def __init__(self, image_size: tuple[int, int], classes: int, say: Callable[[str], None] = lambda _: None) -> None:
        self._image_size, self._classes, self._say = image_size, classes, say
        self._known: dict[str, float | None] = {}
        self._file: Path | None = None
        self._pool: pebble.ProcessPool | None = None

    def __enter__(self) -> LatencyMeter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def recall(self, file: Path) -> None:
        """Take over what a study has measured before."""
        self._known = (read_json(file) or {}) | self._known

    def keep_in(self, file: Path) -> None:
        """Keep every measurement in this file from now on."""
        self.recall(file)
        self._file = file
        if self._known:
            write_json(file, self._known)

    def __call__(self, architecture: Architecture) -> float:
        """Milliseconds for one image; infinity where the network does not run."""
        key = architecture_id(architecture)
        if key not in self._known:
            self._known[key] = self._measure(architecture)
            if self._file is not None:
                write_json(self._file, self._known)
        known = self._known[key]
        return float("inf") if known is None else known

    def close(self) -> None:
        """End the measuring process; another measurement would start a new one."""
        if self._pool is not None:
            self._pool.stop()  # type: ignore[no-untyped-call]  # pebble
            self._pool.join()
            self._pool = None

    def _measure(self, architecture: Architecture) -> float | None:
        if self._pool is None:
            # All cores, however many workers will share them: the number of workers must not decide what is drawn.
            device = share_devices(1, list_gpus(), usable_cores())[0]
            self._pool = pebble.ProcessPool(
                max_workers=1,
                max_tasks=NETWORKS_PER_PROCESS,
                initializer=_start,
                initargs=[device],
                context=fork_context(),
            )
        task = [architecture.model_dump(), self._image_size, self._classes]
        future = schedule(self._pool, measure, task, timeout=PATIENCE)
        try:
            milliseconds = round(float(future.result()), 3)
        # Whatever keeps a network from running, out of memory above all, must not end the search: it does not fit.
        except Exception as failure:  # noqa: BLE001
            self._say(f"a network cannot be measured, and is not drawn: {type(failure).__name__}: {failure}")
            return None
        self._say(f"measured {milliseconds:.1f} ms for an image")
        return milliseconds


def measure(fields: dict[str, object], image_size: tuple[int, int], classes: int) -> float:
    """Measure one architecture, in the measuring process."""
    from deeplab import latency

    return latency(Architecture.model_validate(fields), image_size, classes)


def architecture_id(architecture: Architecture) -> str:
    """A short hash of a network, whatever its recipe."""
    return hashlib.sha256(architecture.to_toml().encode()).hexdigest()[:12]


def _start(device: Device) -> None:
    """Prepare the measuring process: it ends with its driver, leaves Ctrl-C to it, and prints nothing."""
    follow_driver()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with contextlib.suppress(OSError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 1)
        os.dup2(nowhere, 2)
    prepare_device(device)
