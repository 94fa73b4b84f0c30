"""A trial as the oracle has it, and the two files that keep it."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

import keras_tuner
from keras_tuner.src.engine.metrics_tracking import MetricsTracker
from keras_tuner.src.engine.trial import Trial
from pydantic import BaseModel, ValidationError

from search.oracle.points import Values
from search.study.folder import Study
from search.study.ids import Place, id_of_folder, is_trial_id, place_of
from search.study.objective import direction_of
from search.system.files import backup_of, read_json, write_with_backup
from search.trial.contract import Status

FILE = "trial.json"


class _Record(BaseModel):
    """What a file must hold as a trial's `record`."""

    config_id: str
    status: Status | Literal["queued", "running"]
    attempts: int
    losses: int = 0
    created: float = 0.0
    started: datetime | None = None
    finished: datetime | None = None
    ended: float | None = None
    worker: str | None = None
    parameters: int | None = None
    macs: int | None = None
    train_seconds: float | None = None
    total_seconds: float = 0.0
    error: str | None = None


class StudyTrial(Trial):
    """A KerasTuner trial with a `record`: what the ledger says of it beyond KerasTuner's own fields."""

    score: float | None
    best_step: int | None
    message: str | None

    def __init__(self, hyperparameters: Any, trial_id: str | None = None, **kwargs: Any) -> None:
        super().__init__(hyperparameters, trial_id, **kwargs)
        self.record: dict[str, Any] = {}

    def get_state(self) -> dict[str, Any]:
        return {**super().get_state(), "record": self.record}

    def set_state(self, state: Mapping[str, Any]) -> None:
        super().set_state(state)
        self.record = state.get("record", {})

    @property
    def finished(self) -> bool:
        """Whether nothing more will be run of this trial."""
        return self.status in ("COMPLETED", "FAILED")

    @property
    def place(self) -> Place | None:
        """Its configuration's number and its rung; None for the baseline, which has neither."""
        return place_of(self.trial_id)

    @property
    def parent_id(self) -> str | None:
        """The trial that this one continues."""
        return self.hyperparameters.values.get("tuner/trial_id")

    def values_of(self, metric: str) -> list[tuple[int, float]]:
        """The epochs that ended with a value of the metric, with that value."""
        if not self.metrics.exists(metric):
            return []
        return [(observation.step, float(observation.mean())) for observation in self.metrics.get_history(metric)]

    def take_over(self, rows: Iterable[Mapping[str, Any]], names: Iterable[str]) -> None:
        """Make these epochs its own: of each row of `epochs.csv`, the metrics called `names`."""
        rows, self.metrics = list(rows), MetricsTracker()
        for name in names:
            self.metrics.register(name, direction=direction_of(name))
            for row in rows:
                if math.isfinite(row[name]):
                    # `MetricsTracker.update` would look for the best value so far twice, for each epoch and metric.
                    self.metrics.metrics[name].update(float(row[name]), int(row["epoch"]))

    def reopen(self) -> None:
        """Make it a trial that is yet to be run, as if it had never run."""
        self.status, self.score, self.best_step, self.message = "RUNNING", None, None, None
        self.metrics = MetricsTracker()
        kept = ("config_id", "attempts", "created", "parameters", "macs")
        self.record = {name: self.record[name] for name in kept if name in self.record} | {"status": "queued"}


def sharing_space(space: keras_tuner.HyperParameters, values: Values) -> keras_tuner.HyperParameters:
    """Hyperparameters with values of their own in the same space; KerasTuner's `copy` makes every range anew."""
    shared = keras_tuner.HyperParameters()
    shared.__dict__.update(space.__dict__, values=values)
    return shared


def write_trial(trial: StudyTrial, folder: Path, *, durable: bool = True) -> None:
    """Write a trial's `trial.json` and the copy of it; `durable`, so that they survive a power cut."""
    folder.mkdir(exist_ok=True)
    write_with_backup(folder / FILE, json.dumps(trial.get_state(), indent=1), durable=durable)


def load_trials(study: Study, fits: Callable[[StudyTrial], bool]) -> tuple[list[StudyTrial], list[Path]]:
    """The trials in a study's folder that fit it, and the folders of those that are damaged or do not fit."""
    found, others = [], []
    for folder in study.trial_folders():
        trial = read_trial(folder)
        if trial is not None and fits(trial):
            found.append(trial)
        elif any(path.exists() for path in _files_of(folder)) and not is_of_stock_tuner(folder):
            others.append(folder)
    return found, others


def read_trial(folder: Path) -> StudyTrial | None:
    """The trial of a folder, from `trial.json` or, where that is damaged, from its copy; None where both are."""
    for path in _files_of(folder):
        trial = _parse(read_json(path), id_of_folder(folder.name))
        if trial is not None:
            return trial
    return None


def is_trial_file(path: Path) -> bool:
    """Whether a file is a whole `trial.json`, or copy of one, of the trial whose folder it is in."""
    return _parse(read_json(path), id_of_folder(path.parent.name)) is not None


def is_damaged(folder: Path) -> bool:
    """Whether neither of a trial's files is whole JSON, whatever that says."""
    return all(read_json(path) is None for path in _files_of(folder))


def set_aside(folder: Path) -> None:
    """Keep a trial's damaged files under other names, where nobody reads them.

    What the trial contained follows from the schedule, and its epochs are in its checkpoint.
    """
    for path in _files_of(folder):
        if path.exists():
            path.replace(path.with_name(f"{path.name}.damaged"))


def is_of_stock_tuner(folder: Path) -> bool:
    """Whether a folder holds a trial that stock KerasTuner has added."""
    state = read_json(folder / FILE)
    return isinstance(state, dict) and "trial_id" in state and "record" not in state


def _files_of(folder: Path) -> tuple[Path, Path]:
    return folder / FILE, backup_of(folder / FILE)


def _parse(state: Any, trial_id: str) -> StudyTrial | None:
    """A trial from a file's content, which may be anything; None if it is not a whole trial with that id."""
    if not isinstance(state, dict) or state.get("trial_id") != trial_id or not is_trial_id(trial_id):
        return None
    try:
        trial: StudyTrial = StudyTrial.from_state(state)
        record = _Record.model_validate(trial.record)
        metrics = [
            (observation.step, observation.mean())
            for history in trial.metrics.metrics.values()
            for observation in history.get_history()
        ]
    # KerasTuner checks nothing that it reads: whatever it stumbles over, the file is not one that it has written.
    except (ValidationError, ValueError, TypeError, KeyError, AttributeError, IndexError):
        return None
    numbers = [trial.score or 0.0, trial.best_step or 0, *(number for pair in metrics for number in pair)]
    is_whole = (
        trial.status in ("RUNNING", "COMPLETED", "FAILED")
        and trial.finished == (record.finished is not None)
        and (trial.status != "COMPLETED" or trial.score is not None)
        and all(isinstance(number, int | float) and math.isfinite(number) for number in numbers)
    )
    return trial if is_whole else None
