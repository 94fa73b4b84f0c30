"""Latency as a limit: each architecture is measured once, in a process beside the driver, and remembered.

A measured time that decided a draw is part of the study: it is kept in `latency.json`, so that a continued study draws
the configurations that it drew before.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any

from datasets.cores import usable_cores
from deeplab import Architecture
from search.errors import SearchStopped
from search.executors.devices import list_gpus, share_devices
from search.executors.local import fork_context, interrupts_blocked
from search.executors.process import OwnProcess, ProcessLost, ProcessNotStarted
from search.oracle.identity import architecture_id
from search.system.files import backup_of, read_json, write_with_backup
from search.system.quiet import silence
from search.trial.contract import Device
from search.trial.device import DeviceError, prepare_device

# A network that takes longer to build, trace and run than this counts as one that cannot be measured, in seconds.
PATIENCE = 600.0


class LatencyMeter:
    """Milliseconds of architectures on this machine's first device, each measured once.

    Args:
        image_size: (height, width).
        classes: outputs of the networks.
        channels: of the images.
    """

    def __init__(self, image_size: tuple[int, int], classes: int, channels: int = 3) -> None:
        self._image_size, self._classes, self._channels = image_size, classes, channels
        self._say: Callable[[str], None] = lambda _: None
        self._known: dict[str, float | None] = {}
        self._file: Path | None = None

    def recall(self, file: Path) -> None:
        """Take over what a study has measured before."""
        self._known |= read_latencies(file)

    def keep_in(self, file: Path, say: Callable[[str], None]) -> None:
        """Keep every measurement in this file, and a copy of it, from now on, and say each in a line."""
        self.recall(file)
        self._file, self._say = file, say
        # Measurements made before the study had a folder belong to it too.
        if self._known:
            self._write()

    def __call__(self, architecture: Architecture) -> float:
        """Milliseconds for one image; infinity if the network does not run.

        Raises:
            SearchStopped: nothing can be measured on this machine, which says nothing about the network.
        """
        key = architecture_id(architecture)
        if key not in self._known:
            self._known[key] = self._measure(architecture)
            self._write()
        known = self._known[key]
        return float("inf") if known is None else known

    def _write(self) -> None:
        if self._file is not None:
            write_with_backup(self._file, json.dumps(self._known, indent=1))

    @cached_property
    def _device(self) -> Device:
        # All cores, however many workers will share them: the number of workers must not decide what is drawn.
        return share_devices(1, list_gpus(), usable_cores())[0]

    def _measure(self, architecture: Architecture) -> float | None:
        task = (self._device, architecture.model_dump(), self._image_size, self._classes, self._channels)
        with interrupts_blocked():
            process: OwnProcess[float | str | DeviceError] = OwnProcess(fork_context(), measure, *task, name="latency")
        try:
            measured = process.future.result(timeout=PATIENCE)
        except ProcessNotStarted as lost:
            measured = DeviceError(str(lost))
        except TimeoutError:
            measured = f"more than {PATIENCE:.0f} s"
        except ProcessLost as lost:
            measured = str(lost)
        finally:
            # Also after Ctrl-C, which would otherwise leave the process running.
            process.future.cancel()
            process.wait()
        if isinstance(measured, DeviceError):
            raise SearchStopped(f"max_latency_ms needs measurements, and {measured}. See deeplab-search doctor.")
        if isinstance(measured, str):
            self._say(f"a network cannot be measured, and is not drawn: {measured}")
            return None
        self._say(f"a network takes {measured:.1f} ms for an image")
        return measured


def read_latencies(file: Path) -> dict[str, float | None]:
    """What `latency.json` says, or its copy where the file is damaged; empty where neither is whole."""
    known = _parse(file)
    return (_parse(backup_of(file)) or {}) if known is None else known


def is_latency_file(path: Path) -> bool:
    """Whether a file is a whole `latency.json`, or copy of one."""
    return _parse(path) is not None


def _parse(path: Path) -> dict[str, float | None] | None:
    """Milliseconds by network, None for one that did not run; None where the file is missing or anything else."""
    found = read_json(path)
    return found if isinstance(found, dict) and all(map(_is_time, found.values())) else None


def _is_time(value: Any) -> bool:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return value is None or (is_number and 0 <= value < math.inf)


def measure(
    device: Device, fields: dict[str, object], image_size: tuple[int, int], classes: int, channels: int
) -> float | str | DeviceError:
    """Measure one architecture in a process of its own: milliseconds, or why it, or its device, does not run."""
    silence()
    try:
        prepare_device(device)
    except DeviceError as error:
        return error
    from deeplab import latency

    try:
        # Rounded before it decides anything, so that the file holds the very number that was compared.
        return round(latency(Architecture.model_validate(fields), image_size, classes, channels), 3)
    # Whatever keeps a network from running, out of memory above all, must not end the search: it does not fit.
    except Exception as failure:  # noqa: BLE001
        return f"{type(failure).__name__}: {failure}"
