"""Where a search stands: what `run` shows live and `status` from disk, computed from the same rows."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from search.oracle.schedule import make_schedule
from search.results.tally import RungView, Tally
from search.study.columns import is_trial_row, typed_row
from search.study.config import StudyConfig
from search.study.confirmation import Confirmed
from search.study.folder import Study
from search.study.ids import BASELINE
from search.study.lock import noted_plan, noted_retired
from search.study.objective import Objective, objective_of
from search.system.csv_files import csv_rows, whole_lines
from search.system.files import read_json
from search.trial.progress import PROGRESS_FILE

UNFINISHED = ("queued", "running")


@dataclass(frozen=True)
class Snapshot:
    """A search at one moment.

    Attributes:
        tally: of the trials that have ended.
        unfinished: rows of the others.
        running: progress of each running trial, with `trial_id`, `epoch`, `last_epoch`, `phase`, `step`, `steps`,
            `images_per_second`, `worker`, `time`.
        epochs_done, epochs_total: over the whole schedule.
        seconds_left: at the measured speed; None before anything is measured.
        retired: the workers that get no more trials, each with the reason.
        is_over: whether no further trials will run, even if there were fewer than planned because the space was small.
    """

    name: str
    tally: Tally
    unfinished: Sequence[Mapping[str, Any]]
    running: Sequence[Mapping[str, Any]]
    trials_total: int
    epochs_done: float
    epochs_total: int
    seconds_left: float | None
    retired: Mapping[str, str]
    is_over: bool

    @property
    def objective(self) -> Objective:
        """The metric that is compared, and which way is better."""
        return self.tally.objective

    @property
    def finished(self) -> int:
        """Number of trials that have ended."""
        return self.tally.finished

    @property
    def failures(self) -> Sequence[Mapping[str, Any]]:
        """Rows of the trials that have failed."""
        return self.tally.failures

    @property
    def best(self) -> Mapping[str, Any] | None:
        """Row of the trial that stands for the best configuration (see `Tally.best`)."""
        return self.tally.best

    @property
    def confirmed(self) -> Confirmed | None:
        """What confirmed the best configuration, if it was confirmed."""
        return self.tally.confirmed

    @property
    def baseline_mean(self) -> float | None:
        """The mean score of the baseline over the other seeds, if it was confirmed."""
        confirmed = self.tally.confirmations.of(BASELINE)
        return None if confirmed is None else confirmed.mean

    @property
    def baseline(self) -> Mapping[str, Any] | None:
        """Row of the baseline, once it has completed."""
        return self.tally.baseline

    @property
    def rungs(self) -> list[RungView]:
        """Every rung of the schedule."""
        return self.tally.rungs(self._busy)

    def rungs_under_way(self) -> tuple[list[RungView], int, int]:
        """The rungs of the brackets under way; the number of brackets done, and of those that have not begun."""
        return self.tally.rungs_under_way(self._busy)

    @property
    def _busy(self) -> list[Mapping[str, Any]]:
        return [row for row in self.unfinished if row["status"] == "running"]


def take_snapshot(
    study: Study,
    config: StudyConfig,
    tally: Tally,
    unfinished: Iterable[Mapping[str, Any]],
    workers: int,
    *,
    retired: Mapping[str, str] = MappingProxyType({}),
) -> Snapshot:
    """The state of a search, at a cost that does not grow with the trials that have ended.

    Args:
        study: supplies the running trials' progress files.
        config: of the study.
        tally: of the trials that have ended.
        unfinished: rows of `trials.csv` of the other trials, as values or text.
        workers: trials that run at a time, for the time left.
        retired: the workers that get no more trials, each with the reason.
    """
    waiting = [typed_row(row) for row in unfinished]
    running = [_progress(study, row) for row in waiting if row["status"] == "running"]
    done = tally.epochs + sum(_epochs_in_flight(report) for report in running)
    created = tally.finished + len(waiting)
    is_over = study.finished_file.exists()
    epochs_total = tally.epochs if is_over else tally.schedule.epochs
    trials_total = created if is_over else tally.schedule.trials
    return Snapshot(
        name=config.study.name,
        tally=tally,
        unfinished=waiting,
        running=running,
        trials_total=trials_total,
        epochs_done=done,
        epochs_total=epochs_total,
        seconds_left=tally.seconds_left(epochs_total - done, trials_total - created, workers),
        retired=dict(retired),
        is_over=is_over,
    )


def snapshot_from_disk(study: Study) -> Snapshot:
    """The state of a search from its folder alone, while it runs or after."""
    return snapshot_of_rows(study, trial_rows(study))


def trial_rows(study: Study) -> list[dict[str, Any]]:
    """The rows of a study's `trials.csv`, with numbers; damaged lines are left out."""
    return rows_of_text(whole_lines(study.trials_csv))


def rows_of_text(text: str) -> list[dict[str, Any]]:
    """The rows of the text of a `trials.csv`, as `trial_rows` gives them."""
    return [typed_row(row) for row in csv_rows(text) if is_trial_row(row)]


def snapshot_of_rows(study: Study, rows: Sequence[Mapping[str, Any]]) -> Snapshot:
    """The state of a search whose trials so far are these."""
    config = study.config()
    workers, configurations = noted_plan(study)
    retired = noted_retired(study)
    schedule = make_schedule(config.hyperband, config.confirm)
    if configurations is not None:
        schedule = schedule.limited_to(configurations)
    ended = [row for row in rows if row["status"] not in UNFINISHED]
    tally = Tally(schedule, objective_of(config.study.objective), ended)
    unfinished = [row for row in rows if row["status"] in UNFINISHED]
    return take_snapshot(study, config, tally, unfinished, workers - len(retired), retired=retired)


def _progress(study: Study, row: Mapping[str, Any]) -> dict[str, Any]:
    report = read_json(study.trial(row["trial_id"]) / PROGRESS_FILE)
    waiting = {"phase": "start", "epoch": row["first_epoch"], "last_epoch": row["last_epoch"], "step": 0, "steps": 0}
    defaults = {"images_per_second": 0.0, "worker": row.get("worker") or "", "time": time.time(), **waiting}
    told = report if isinstance(report, dict) else {}
    # The file may be damaged: a value of the wrong type counts as absent.
    told = {name: value for name, value in told.items() if isinstance(value, _kind(defaults.get(name)))}
    return {**defaults, **told, "trial_id": row["trial_id"], "first_epoch": row["first_epoch"]}


def _kind(default: object) -> type | tuple[type, ...]:
    return str if isinstance(default, str) else (int, float)


def _epochs_in_flight(report: Mapping[str, Any]) -> float:
    inside = report["step"] / report["steps"] if report["phase"] == "train" and report["steps"] else 0.0
    return float(report["epoch"] - report["first_epoch"] + (1.0 if report["phase"] in ("validate", "test") else inside))
