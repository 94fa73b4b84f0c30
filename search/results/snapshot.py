"""Where a search stands: what `run` shows live and `status` from disk, computed from the same rows."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from search.oracle.schedule import Schedule, make_schedule
from search.study.columns import is_trial_row, typed_row
from search.study.config import StudyConfig
from search.study.folder import Study
from search.study.ids import BASELINE
from search.study.lock import noted_plan
from search.study.objective import Objective, objective_of
from search.system.csv_files import read_csv
from search.system.files import read_json

FAILURES = ("diverged", "out_of_memory", "failed", "lost")


@dataclass(frozen=True)
class RungView:
    """One rung of the bracket `name`: how many of its trials are done, running and failed."""

    name: str
    rung: int
    last_epoch: int
    size: int
    done: int
    running: int
    failed: int


@dataclass(frozen=True)
class Snapshot:
    """A search at one moment.

    Attributes:
        trials: rows as in `trials.csv`.
        running: progress of each running trial, with `trial_id`, `epoch`, `last_epoch`, `phase`, `step`, `steps`,
            `images_per_second`, `worker`, `time`.
        epochs_done, epochs_total: over the whole schedule.
        seconds_left: at the measured speed; None before anything is measured.
        is_over: whether nothing more will be run, be it less than planned because the space held no more.
    """

    name: str
    objective: Objective
    rungs: tuple[RungView, ...]
    trials: tuple[Mapping[str, Any], ...]
    running: tuple[Mapping[str, Any], ...]
    trials_total: int
    epochs_done: float
    epochs_total: int
    seconds_left: float | None
    is_over: bool

    @property
    def finished(self) -> int:
        """Trials that nothing more will be run of."""
        return sum(row["status"] == "completed" or row["status"] in FAILURES for row in self.trials)

    @property
    def failures(self) -> list[Mapping[str, Any]]:
        """Rows of the trials that failed."""
        return [row for row in self.trials if row["status"] in FAILURES]

    @property
    def best(self) -> Mapping[str, Any] | None:
        """Row of the best completed trial, the baseline included."""
        return best_row(self.trials, self.objective)

    @property
    def baseline(self) -> Mapping[str, Any] | None:
        """Row of the baseline, where it has completed."""
        rows = [row for row in self.trials if row["trial_id"] == BASELINE and row["status"] == "completed"]
        return rows[0] if rows else None


def take_snapshot(
    study: Study, config: StudyConfig, schedule: Schedule, rows: Sequence[Mapping[str, Any]], workers: int
) -> Snapshot:
    """The state of a search.

    Args:
        study: supplies the running trials' progress files.
        config: of the study.
        schedule: what it will run.
        rows: of `trials.csv`, as values or text.
        workers: trials that run at a time, for the time left.
    """
    typed = tuple(map(typed_row, rows))
    running = tuple(_progress(study, row) for row in typed if row["status"] == "running")
    done = sum(_epochs(row) for row in typed if row["status"] not in ("queued", "running"))
    in_flight = sum(_epochs_in_flight(report) for report in running)
    is_over = study.finished_file.exists()
    total = round(done) if is_over else schedule.epochs
    trials_total = len(typed) if is_over else schedule.trials
    return Snapshot(
        name=config.study.name,
        objective=objective_of(config.study.objective),
        rungs=tuple(_rungs(schedule, typed)),
        trials=typed,
        running=running,
        trials_total=trials_total,
        epochs_done=done + in_flight,
        epochs_total=total,
        seconds_left=_seconds_left(typed, total - done - in_flight, trials_total - len(typed), workers),
        is_over=is_over,
    )


def snapshot_from_disk(study: Study) -> Snapshot:
    """The state of a search from its folder alone, while it runs or after."""
    config = study.config()
    workers, configurations = noted_plan(study)
    schedule = make_schedule(config.hyperband)
    if configurations is not None:
        schedule = schedule.limited_to(configurations)
    rows = [row for row in read_csv(study.trials_csv) if is_trial_row(row)]
    return take_snapshot(study, config, schedule, rows, workers)


def best_row(rows: Sequence[Mapping[str, Any]], objective: Objective) -> Mapping[str, Any] | None:
    """The completed row with the best score; the first of equals."""
    scored = [row for row in rows if row["status"] == "completed" and row["score"] is not None]
    if not scored:
        return None
    return max(scored, key=lambda row: objective.sign * row["score"])


def _progress(study: Study, row: Mapping[str, Any]) -> dict[str, Any]:
    report = read_json(study.trial(row["trial_id"]) / "progress.json")
    waiting = {"phase": "start", "epoch": row["first_epoch"], "last_epoch": row["last_epoch"], "step": 0, "steps": 0}
    defaults = {"images_per_second": 0.0, "worker": row.get("worker") or "", "time": time.time(), **waiting}
    told = report if isinstance(report, dict) else {}
    told = {name: value for name, value in told.items() if isinstance(value, _kind(defaults.get(name)))}
    return {**defaults, **told, "trial_id": row["trial_id"], "first_epoch": row["first_epoch"]}


def _kind(default: object) -> type | tuple[type, ...]:
    return str if isinstance(default, str) else (int, float)


def _epochs(row: Mapping[str, Any]) -> int:
    return int(row["last_epoch"] - row["first_epoch"] + 1)


def _epochs_in_flight(report: Mapping[str, Any]) -> float:
    inside = report["step"] / report["steps"] if report["phase"] == "train" and report["steps"] else 0.0
    return float(report["epoch"] - report["first_epoch"] + (1.0 if report["phase"] == "validate" else inside))


def _rungs(schedule: Schedule, rows: Sequence[Mapping[str, Any]]) -> list[RungView]:
    counts = Counter((row["iteration"], row["bracket"], row["rung"], row["status"]) for row in rows)
    views = []
    for bracket in schedule.brackets:
        for number, rung in enumerate(bracket.rungs):
            place = (bracket.iteration, bracket.number, number)
            failed = sum(counts[(*place, status)] for status in FAILURES)
            done = counts[(*place, "completed")] + failed
            running = counts[(*place, "running")]
            views.append(RungView(bracket.name, number, rung.last_epoch, rung.size, done, running, failed))
    return views


def _seconds_left(rows: Sequence[Mapping[str, Any]], epochs: float, trials: int, workers: int) -> float | None:
    """Remaining epochs at the measured time of one, and what remaining trials take to start, shared by the workers.

    The two are told apart, because first rungs, which come first, are mostly starting.
    """
    finished = [row for row in rows if row["status"] == "completed" and row["total_seconds"]]
    trained = sum(_epochs(row) for row in finished)
    if not trained:
        return None
    total = sum(row["total_seconds"] for row in finished)
    training = sum(row["train_seconds"] or row["total_seconds"] for row in finished)
    start = max(0.0, total - training) / len(finished)
    return max(0.0, epochs * training / trained + trials * start) / max(1, workers)
