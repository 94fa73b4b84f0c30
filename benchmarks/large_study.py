"""How long it takes to look at a study of 1,000 trials, and whether a row of `trials.csv` costs more than in one of 10.

The history is synthetic (`benchmarks._history`). Measured are the time, processor time and size of the report, the time
of `status` as a whole process, and the time of one change to `trials.csv`.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import keras_tuner

from benchmarks._history import History
from benchmarks._measure import arguments, report
from search.oracle.study_oracle import StudyOracle
from search.oracle.trials import StudyTrial
from search.report import write_report
from search.results.ledger import Ledger
from search.study.folder import Study
from search.study.ids import Place

# An iteration has 70 trials; the baseline comes on top, once.
ITERATIONS = 14
REPEATS = 50


def main() -> None:
    """Measure and print."""
    options = arguments(__doc__ or "")
    iterations = 1 if options.smoke else ITERATIONS
    with tempfile.TemporaryDirectory() as folder:
        study = History(Path(folder) / "large", iterations=iterations).write()
        before = time.process_time()
        report_seconds = seconds(lambda: write_report(study.folder))
        processor = time.process_time() - before
        status = seconds(
            lambda: subprocess.run([*COMMAND, "status", study.folder], stdout=subprocess.DEVNULL, check=True)
        )
        small, large = (row_seconds(study, count) for count in (10, 1000))
        size = (study.folder / "report.html").stat().st_size
    rows = [
        {"what": "report", "seconds": round(report_seconds, 2), "processor_s": round(processor, 2)},
        {"what": "status", "seconds": round(status, 2), "processor_s": ""},
        {"what": "a change to trials.csv, 10 trials", "seconds": round(small, 6), "processor_s": ""},
        {"what": "a change to trials.csv, 1,000 trials", "seconds": round(large, 6), "processor_s": ""},
    ]
    report("large_study", rows, trials=1 + 70 * iterations, report_mb=size / 1e6, row_ratio=large / small)


COMMAND = [str(Path(sys.executable).with_name("deeplab-search"))]


def seconds(work: Callable[[], Any]) -> float:
    """Time that a call takes."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def row_seconds(study: Study, count: int) -> float:
    """Median time of a change to `trials.csv` in a study with this many finished trials and two under way."""
    places = [Place(number, rung=0) for number in range(count + 2)]
    trials = {place.trial_id: _trial(place.trial_id, finished=place.number >= 2) for place in places}
    ended = [trial_id for trial_id, trial in trials.items() if trial.finished]
    ongoing = {trial_id: trial for trial_id, trial in trials.items() if not trial.finished}
    oracle = cast(StudyOracle, SimpleNamespace(trials=trials, end_order=ended, ongoing_trials=ongoing))
    ledger = Ledger(study, [], ["a", "b"])
    ledger.update_trials(oracle)
    return sorted(seconds(lambda: ledger.update_trials(oracle)) for _ in range(REPEATS))[REPEATS // 2]


def _trial(trial_id: str, *, finished: bool) -> StudyTrial:
    hyperparameters = keras_tuner.HyperParameters()
    hyperparameters.values = {"tuner/initial_epoch": 0, "tuner/epochs": 1}
    trial = StudyTrial(hyperparameters, trial_id, status="COMPLETED" if finished else "RUNNING")
    trial.record = {"config_id": trial_id, "status": "completed" if finished else "running", "attempts": 1}
    return trial


if __name__ == "__main__":
    main()
