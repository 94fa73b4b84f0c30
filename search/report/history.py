"""A study as the report reads it: configuration, trials, epochs, and the best epochs of the best and the baseline."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from search.results import Snapshot, snapshot_of_rows
from search.results.frames import load_with
from search.results.snapshot import rows_of_text
from search.results.tally import FAILURES
from search.study import BASELINE, Objective, Study, StudyConfig
from search.study.ids import confirmation_of, is_control
from search.study.prepare import read_space
from search.system.csv_files import whole_lines
from search.system.toml import read_toml
from search.system.wording import quantity
from search.trial.testing import read_test
from search.trial.validation import BestEpoch, Validation, read_best_epoch


class Cost(NamedTuple):
    """A measure by which trials may be compared besides their scores: its name, and the unit in which it is shown."""

    label: str
    unit: str
    scale: float

    def shown(self, value: float) -> str:
        """A value in its unit."""
        return quantity(value / self.scale, self.unit)


# By the columns of the trials.
COSTS = {
    "macs": Cost("MACs", "G", 1e9),
    "parameters": Cost("parameters", "M", 1e6),
    "latency_ms": Cost("latency", "ms", 1.0),
}


@dataclass(frozen=True)
class History:
    """A study at one moment, from its folder alone.

    Attributes:
        trials, epochs: of the brackets and the baseline.
        confirmations: the trials that train again from other seeds.
    """

    study: Study
    config: StudyConfig
    frozen: dict[str, Any]
    snapshot: Snapshot
    trials: pd.DataFrame
    epochs: pd.DataFrame
    confirmations: pd.DataFrame

    @property
    def name(self) -> str:
        """The name of the study's folder."""
        return self.study.name

    @property
    def objective(self) -> Objective:
        """The metric that is compared, and which way is better."""
        return self.snapshot.objective

    @cached_property
    def completed(self) -> pd.DataFrame:
        """Completed trials, in the order in which they ended."""
        found = _of_status(self.trials, ["completed"])
        # Times are whole seconds; trials that ended in the same one keep the order of the file.
        return found[found["score"].notna()].sort_values("finished", kind="stable") if len(found) else found

    @cached_property
    def failed(self) -> pd.DataFrame:
        """Trials that failed."""
        both = pd.concat([self.trials, self.confirmations]) if len(self.confirmations) else self.trials
        return _of_status(both, FAILURES)

    @property
    def total_seconds(self) -> float:
        """The time of all trials."""
        return float(pd.concat([self.trials["total_seconds"], self.confirmations["total_seconds"]]).fillna(0).sum())

    @cached_property
    def configurations(self) -> pd.DataFrame:
        """The last completed trial of each configuration, the baseline left out."""
        found = self.completed
        if not len(found):
            return found
        drawn = found[found["trial_id"] != BASELINE]
        return drawn.sort_values("last_epoch", kind="stable").groupby("config_id", sort=False).tail(1)

    @property
    def best(self) -> pd.Series | None:
        """The trial that stands for the best configuration: the one in `best.toml`."""
        row = self.snapshot.best
        return None if row is None else self.trial(str(row["trial_id"]))

    @property
    def baseline(self) -> pd.Series | None:
        """The baseline, if it has completed."""
        return None if self.snapshot.baseline is None else self.trial(BASELINE)

    @property
    def best_score(self) -> float | None:
        """The best configuration's score: where it was confirmed, the mean over the other seeds."""
        if self.snapshot.confirmed is not None:
            return self.snapshot.confirmed.mean
        return None if self.best is None else float(self.best["score"])

    @property
    def baseline_score(self) -> float | None:
        """The baseline's score, over the same seeds as the best one's."""
        if self.snapshot.confirmed is not None:
            return self.snapshot.baseline_mean
        return None if self.baseline is None else float(self.baseline["score"])

    @property
    def costs(self) -> dict[str, Cost]:
        """The costs that the study has measured."""
        known = self.completed
        return {name: cost for name, cost in COSTS.items() if name in known and known[name].notna().any()}

    @property
    def hyperparameters(self) -> list[str]:
        """Names of what was searched, in the order of the space."""
        return [str(name)[3:] for name in self.trials.columns if str(name).startswith("hp:")]

    @property
    def class_names(self) -> list[str]:
        """The classes in id order."""
        return list(self.frozen.get("class_names", []))

    @cached_property
    def network(self) -> dict[str, Any]:
        """`[architecture]` and `[recipe]` of `best.toml`; empty before there is one."""
        return read_toml(self.study.best_file, "best.toml") if self.study.best_file.exists() else {}

    def trial(self, trial_id: str) -> pd.Series:
        """A trial's row."""
        table = self.trials if confirmation_of(trial_id) is None else self.confirmations
        return table.loc[table["trial_id"] == trial_id].iloc[0]

    def best_epoch(self, trial: pd.Series | None) -> BestEpoch | None:
        """What a trial has kept of its best epoch; None if it was removed."""
        if trial is None or pd.isna(trial["best_epoch"]):
            return None
        return read_best_epoch(self.study.trial(trial["trial_id"]) / "best", int(trial["best_epoch"]))

    @property
    def confirmed_names(self) -> set[str]:
        """The configurations that were confirmed by all their seeds, by number; and "baseline"."""
        found = map(confirmation_of, map(str, self.confirmations["trial_id"]))
        names = {each.of for each in found if each is not None and not is_control(each.of)}
        return {name for name in names if self.snapshot.tally.confirmations.of(name) is not None}

    def confirmations_of(self, name: str) -> pd.DataFrame:
        """The completed trials that confirm one configuration, or train a control, in the order of their seeds."""
        done = _of_status(self.confirmations, ["completed"])
        own = [confirmation_of(str(trial_id)) for trial_id in done["trial_id"]]
        rows = done[np.array([one is not None and one.of == name for one in own], bool)]
        return rows.sort_values("trial_id")

    def test_counts(self, trial_id: str) -> Validation | None:
        """What a trial achieved on the test split; None if it was not scored there."""
        return read_test(self.study.trial(trial_id))


def read_history(study: Study) -> History:
    """Read a study's folder, while it runs or after. Raises UserError if it holds no study."""
    # Once, so that a search that goes on meanwhile adds a trial to all that is shown, or to nothing.
    text = whole_lines(study.trials_csv)
    trials, epochs = load_with({study: text})
    snapshot = snapshot_of_rows(study, rows_of_text(text))
    config = study.config()
    if study.latency_file.exists():
        trials["latency_ms"] = trials["trial_id"].map(_latencies(study, config, trials["trial_id"])).astype(float)
    again, epochs_again = _are_confirmations(trials), _are_confirmations(epochs)
    return History(study, config, study.frozen(), snapshot, trials[~again], epochs[~epochs_again], trials[again])


def _of_status(trials: pd.DataFrame, statuses: Collection[str]) -> pd.DataFrame:
    return trials[trials["status"].isin(list(statuses))] if "status" in trials else trials.iloc[:0]


def _are_confirmations(table: pd.DataFrame) -> np.ndarray:
    """Whether each row is of a trial that trains again from another seed."""
    return np.array([confirmation_of(str(trial_id)) is not None for trial_id in table["trial_id"]], bool)


def _latencies(study: Study, config: StudyConfig, trial_ids: Iterable[str]) -> dict[str, float | None]:
    """Milliseconds of each trial's network, if `max_latency_ms` caused it to be measured."""
    from search.oracle.identity import architecture_id, configuration_of
    from search.oracle.latency import read_latencies
    from search.oracle.trials import read_trial

    known = read_latencies(study.latency_file)
    space = read_space(config, str(study.config_file))
    trials = {trial_id: read_trial(study.trial(trial_id)) for trial_id in trial_ids}
    networks = {
        trial_id: configuration_of(space, trial_id, trial.hyperparameters.values)[0]
        for trial_id, trial in trials.items()
        if trial is not None
    }
    return {trial_id: known.get(architecture_id(network)) for trial_id, network in networks.items()}
