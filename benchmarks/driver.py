"""The driver alone, over 1,000 trials that end at once: its memory, and its own seconds a trial."""

from __future__ import annotations

import math
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any

from benchmarks._measure import arguments, report
from search.driver.loop import Driver
from search.oracle.latency import LatencyMeter
from search.oracle.limits import Limits
from search.study.columns import metric_names
from search.study.config import StudyConfig
from search.study.folder import Study
from search.study.lock import lock_study
from search.study.prepare import open_data, read_space
from search.study.reading import parse_config
from search.terminal.live import SearchConsole
from search.trial.contract import Device, Outcome, TrialSpec

# Until then caches of the libraries fill.
SETTLED = 50


class InstantExecutor:
    """Returns a completed outcome at once; notes this process's memory whenever a trial is submitted."""

    def __init__(self, class_names: Sequence[str]) -> None:
        self._metrics = metric_names(class_names)
        self.memory_mb: list[float] = []
        self.clock: list[float] = []

    @property
    def devices(self) -> Sequence[Device]:
        """One worker."""
        return [Device("cpu0", None, 1)]

    def submit(self, spec: TrialSpec) -> Future[Outcome]:
        """The outcome of a trial whose score follows from its id."""
        self.memory_mb.append(resident_mb())
        self.clock.append(time.perf_counter())
        score = (hash(spec.trial_id) % 1000) / 1000
        rows = [
            {"trial_id": spec.trial_id, "config_id": spec.config_id, "time": time.time(), "epoch": epoch}
            | {"learning_rate": 1e-3, "seconds": 1.0, "images_per_second": 1.0, "peak_memory_mb": 1.0}
            | dict.fromkeys(self._metrics, score)
            for epoch in range(spec.first_epoch + 1, spec.last_epoch + 1)
        ]
        future: Future[Outcome] = Future()
        future.set_result(Outcome("completed", rows, spec.last_epoch, score))
        return future

    def shutdown(self) -> None:
        """Nothing runs."""


def main() -> None:
    """Run the driver; print how its memory grew."""
    options = arguments(__doc__ or "")
    trials = 20 if options.smoke else 1000 if options.full else 300
    with tempfile.TemporaryDirectory() as folder:
        executor = drive(make_config(trials, folder))
    memory, ended = executor.memory_mb, len(executor.memory_mb)
    settled = min(SETTLED, ended // 2)
    seconds = (executor.clock[-1] - executor.clock[settled]) / (ended - 1 - settled)
    rows = [
        {"trials": count, "memory_mb": round(memory[count - 1], 1)}
        for count in sorted({1, settled, *(ended * part // 4 for part in range(1, 5))})
    ]
    summary = {"growth_mb": memory[-1] - memory[0], "growth_mb_once_settled": memory[-1] - memory[settled - 1]}
    report("driver", rows, **summary, milliseconds_a_trial=1e3 * seconds)


def make_config(trials: int, folder: str) -> StudyConfig:
    """A study of at least so many trials, of one epoch or three."""
    table: dict[str, Any] = {
        "study": {"name": "many", "directory": folder},
        "data": {"format": "synthetic", "image_size": [64, 64]},
        # 6 trials an iteration: 3, of which one goes on, and 2.
        "hyperband": {"max_epochs": 3, "iterations": math.ceil(trials / 6), "baseline": False},
        "space": {
            "encoder": "MobileNetV2",
            "encoder_weights": "none",
            "aspp_filters": {"min": 8, "max": 512},
            "learning_rate": {"min": 1e-5, "max": 1e-1, "sampling": "log"},
        },
    }
    return parse_config(table, "benchmark")


def drive(config: StudyConfig) -> InstantExecutor:
    """A whole search with the real driver, oracle and files."""
    dataset, study = open_data(config), Study(config.folder)
    study.make_folder()
    executor = InstantExecutor(dataset.class_names)
    with lock_study(study):
        study.create(config, dataset)
        console = SearchConsole(quiet_console())
        space = read_space(config, "benchmark")
        limits = Limits(config, space, dataset.classes, LatencyMeter(config.data.image_size, dataset.classes))
        Driver(study, config, space, dataset, limits, executor, console).run()
    return executor


def quiet_console() -> Any:
    """A console that shows nothing."""
    from rich.console import Console

    return Console(quiet=True)


def resident_mb() -> float:
    """Memory that is this process's own now, in MiB: without the libraries' files, which the system drops at will."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("RssAnon:")[2].split()[0]) / 2**10


if __name__ == "__main__":
    main()
