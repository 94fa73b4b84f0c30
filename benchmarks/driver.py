"""The driver alone: its time per trial event and its memory, in a study of many trials that end at once.

Everything is real but the training: the oracle, the files of trials, the CSVs, TensorBoard's files, pruning, and a live
screen. A trial has two events, its start and its end; what the stand-in for training writes is not counted. The study
lies in memory where there is such a folder: what a disk takes to make files durable is `benchmarks.durability`'s
subject.
"""

from __future__ import annotations

import io
import math
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any

from rich.console import Console

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
from search.system.csv_files import write_csv
from search.system.files import write_json
from search.terminal.live import SearchConsole
from search.trial.contract import Device, Outcome, TrialSpec

MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None
# Trials before each of the points at which time is shown, over which it is taken.
WINDOW = 100
EVENTS_PER_TRIAL = 2


class InstantExecutor:
    """Writes what a trial leaves behind, and returns its outcome at once; keeps the time between two trials."""

    def __init__(self, class_names: Sequence[str], clock: Callable[[], float]) -> None:
        self._metrics, self._clock = metric_names(class_names), clock
        self._left = clock()
        self.seconds: list[float] = []
        self.memory_mb: list[float] = []

    @property
    def devices(self) -> Sequence[Device]:
        """One worker."""
        return [Device("cpu0", None, 1)]

    @property
    def notes(self) -> list[str]:
        """Nothing."""
        return []

    def check_devices(self, devices: Sequence[Device]) -> dict[str, str]:
        """Nothing can be wrong."""
        return {}

    def submit(self, spec: TrialSpec) -> Future[Outcome]:
        """The outcome of a trial whose score follows from its id."""
        self.seconds.append(self._clock() - self._left)
        self.memory_mb.append(resident_mb())
        score = (int(spec.config_id, 16) % 1000) / 1000
        rows = [
            {"trial_id": spec.trial_id, "config_id": spec.config_id, "time": time.time(), "epoch": epoch}
            | {"learning_rate": 1e-3, "seconds": 1.0, "images_per_second": 1.0, "peak_memory_mb": 1.0}
            | dict.fromkeys(self._metrics, score)
            for epoch in range(spec.first_epoch + 1, spec.last_epoch + 1)
        ]
        leave_behind(Path(spec.study) / f"trial_{spec.trial_id}", spec, rows)
        future: Future[Outcome] = Future()
        future.set_result(Outcome("completed", rows, spec.last_epoch, score, 1.0, 1.0))
        self._left = self._clock()
        return future

    def shutdown(self) -> None:
        """Do nothing, because nothing is running."""


def leave_behind(folder: Path, spec: TrialSpec, rows: list[dict[str, Any]]) -> None:
    """The files of a finished trial that the driver reads or removes."""
    write_csv(folder / "epochs.csv", spec.columns, rows, durable=False)
    for name in ("last", "best"):
        (folder / name).mkdir()
        (folder / name / f"epoch_{spec.last_epoch:04d}.weights.h5").touch()
        state = {"epoch": spec.last_epoch, "rows": rows}
        write_json(folder / name / "state.json", {"bytes": 0, "state": state}, durable=False)


def main() -> None:
    """Run the driver; print its time and its memory as the study grows."""
    options = arguments(__doc__ or "")
    points = [10, 20] if options.smoke else [100, 1000, 10_000] if options.full else [100, 300, 1000]
    with tempfile.TemporaryDirectory(dir=MEMORY) as folder:
        executor = drive(
            make_config(points[-1], folder), time.process_time if options.processor_time else time.perf_counter
        )
    rows = [row_at(executor, count) for count in points]
    growth = executor.memory_mb[points[-1] - 1] - executor.memory_mb[points[0] - 1]
    slower = rows[-1]["ms_per_event"] / rows[0]["ms_per_event"]
    report("driver", rows, time_ratio=slower, kb_per_trial=1024 * growth / (points[-1] - points[0]))


def row_at(executor: InstantExecutor, count: int) -> dict[str, Any]:
    """Time per event over the trials before number `count`, and memory there."""
    window = executor.seconds[max(1, count - WINDOW) : count]
    return {
        "trials": count,
        "ms_per_event": round(1e3 * statistics.median(window) / EVENTS_PER_TRIAL, 3),
        "mean_ms_per_event": round(1e3 * statistics.fmean(window) / EVENTS_PER_TRIAL, 3),
        "memory_mb": round(executor.memory_mb[count - 1], 1),
    }


def make_config(trials: int, folder: str) -> StudyConfig:
    """A study of at least this many trials, of one epoch or three."""
    table: dict[str, Any] = {
        "study": {"name": "many", "directory": folder},
        "data": {"format": "synthetic", "image_size": [64, 64]},
        # 6 trials per iteration: 3, one of which is promoted, and 2.
        "hyperband": {"max_epochs": 3, "iterations": math.ceil(trials / 6), "baseline": False},
        "space": {
            "encoder": "MobileNetV2",
            "encoder_weights": "none",
            "aspp_filters": {"min": 8, "max": 512},
            "learning_rate": {"min": 1e-5, "max": 1e-1, "sampling": "log"},
        },
    }
    return parse_config(table, "benchmark")


def drive(config: StudyConfig, clock: Callable[[], float] = time.perf_counter) -> InstantExecutor:
    """A whole search with the real driver, oracle, files and screen."""
    dataset, study = open_data(config), Study(config.folder)
    study.make_folder()
    executor = InstantExecutor(dataset.class_names, clock)
    with lock_study(study):
        study.create(config, dataset)
        space = read_space(config, "benchmark")
        limits = Limits(config, space, dataset.classes, LatencyMeter(config.data.image_size, dataset.classes))
        with SearchConsole(unseen_terminal()) as console:
            Driver(study, config, space, dataset, limits, executor, console).run()
    return executor


def unseen_terminal() -> Console:
    """A terminal that is drawn on like any other, and that nobody sees."""
    return Console(file=io.StringIO(), force_terminal=True, width=120, height=50, highlight=False)


def resident_mb() -> float:
    """Private memory of this process in MiB, without mapped library files, which the system may drop at any time."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return int(status.partition("RssAnon:")[2].split()[0]) / 2**10


if __name__ == "__main__":
    main()
