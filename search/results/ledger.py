"""The results as CSV: `trials.csv`, a row per trial, and `epochs.csv`, a row per trial and epoch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hyperparameters.dimensions import plain
from search.study.columns import TRIAL_COLUMNS, epoch_columns, metric_names
from search.study.folder import Study
from search.system.csv_files import GrowingCsv, append_csv, csv_lines, read_csv, write_csv

if TYPE_CHECKING:
    from search.oracle.study_oracle import StudyOracle
    from search.oracle.trials import StudyTrial


class Ledger:
    """Writes a study's CSVs from the oracle's trials and the trials' own `epochs.csv`."""

    def __init__(self, study: Study, hyperparameters: Sequence[str], class_names: Sequence[str]) -> None:
        self._study = study
        self._epoch_columns = epoch_columns(class_names)
        self.metrics = metric_names(class_names)
        self._columns = (
            *TRIAL_COLUMNS,
            *(f"hp:{name}" for name in hyperparameters),
            *(f"metric:{name}" for name in self.metrics),
        )
        self._readers: dict[str, GrowingCsv] = {}
        # Bytes of `trials.csv` that stay, and how many ended trials they hold.
        self._settled = self._written = 0

    def rebuild_trials(self, oracle: StudyOracle) -> None:
        """Write `trials.csv` anew: every trial, in the order in which they were started."""
        write_csv(self._study.trials_csv, self._columns, self.rows(oracle), durable=False)
        self._settled = 0

    def update_trials(self, oracle: StudyOracle) -> None:
        """Bring `trials.csv` up to date at a cost that does not grow with the study.

        Trials that have finished are followed by those that have not, which alone are replaced. They are cut off before
        they are written anew, so that a reader sees whole rows at any moment.
        """
        path = self._study.trials_csv
        if not self._settled or not path.exists():
            write_csv(path, self._columns, map(self.trial_row, self._ended(oracle)), durable=False)
            self._settled, self._written = path.stat().st_size, len(oracle.end_order)
        new = [self.trial_row(oracle.trials[trial_id]) for trial_id in oracle.end_order[self._written :]]
        ended = csv_lines(new, self._columns).encode()
        under_way = csv_lines(map(self.trial_row, oracle.ongoing_trials.values()), self._columns).encode()
        with path.open("r+b") as file:
            file.truncate(self._settled)
            file.seek(self._settled)
            file.write(ended + under_way)
        self._settled, self._written = self._settled + len(ended), len(oracle.end_order)

    def rows(self, oracle: StudyOracle) -> list[dict[str, Any]]:
        """The rows of `trials.csv` as values, in the order in which the trials were started."""
        return [self.trial_row(oracle.trials[trial_id]) for trial_id in oracle.start_order]

    def _ended(self, oracle: StudyOracle) -> list[StudyTrial]:
        return [oracle.trials[trial_id] for trial_id in oracle.end_order]

    def rebuild_epochs(self, oracle: StudyOracle) -> None:
        """Write `epochs.csv` anew from the trials' own files; a damaged one of a finished trial is mended from it."""
        gathered: dict[str, dict[str, dict[str, str]]] = {}
        for row in self._read(self._study.epochs_csv):
            gathered.setdefault(row["trial_id"], {})[row["epoch"]] = row
        rows = []
        for trial_id in oracle.start_order:
            own = self.epochs_of(trial_id)
            known = gathered.get(trial_id, {})
            if oracle.trials[trial_id].finished and known.keys() > {row["epoch"] for row in own}:
                own = [known[epoch] for epoch in sorted(known, key=int)]
                write_csv(self._study.trial(trial_id) / "epochs.csv", self._epoch_columns, own)
            if not oracle.trials[trial_id].finished:
                self._reader(trial_id).read()  # what is in the file already is not gathered again
            rows += own
        write_csv(self._study.epochs_csv, self._epoch_columns, rows)

    def gather_epochs(self, trial_id: str) -> list[dict[str, str]]:
        """Append a trial's new epochs to the study's `epochs.csv`; returns them."""
        new = [row for row in self._reader(trial_id).read() if _is_epoch(row)]
        if new:
            # Not durable: every row is in the trial's own file, which is.
            append_csv(self._study.epochs_csv, self._epoch_columns, new, durable=False)
        return new

    def forget(self, trial_id: str) -> None:
        """Note that a trial has ended: its file does not grow any more."""
        self._readers.pop(trial_id, None)

    def _reader(self, trial_id: str) -> GrowingCsv:
        path = self._study.trial(trial_id) / "epochs.csv"
        return self._readers.setdefault(trial_id, GrowingCsv(path, self._epoch_columns))

    def epochs_of(self, trial_id: str) -> list[dict[str, str]]:
        """The epochs that a trial has written down itself."""
        return self._read(self._study.trial(trial_id) / "epochs.csv")

    def _read(self, path: Path) -> list[dict[str, str]]:
        """Rows of an `epochs.csv`, without those that are none: every cell but the ids is a number or empty."""
        return [row for row in read_csv(path, self._epoch_columns) if _is_epoch(row)]

    def trial_row(self, trial: StudyTrial) -> dict[str, Any]:
        """One row of `trials.csv`."""
        values = trial.hyperparameters.values
        row: dict[str, Any] = {
            "trial_id": trial.trial_id,
            "parent_id": trial.parent_id,
            "iteration": values.get("tuner/iteration"),
            "bracket": values.get("tuner/bracket"),
            "rung": values.get("tuner/round"),
            "score": trial.score,
            "best_epoch": trial.best_step if trial.score is not None else None,
            "first_epoch": values["tuner/initial_epoch"] + 1,
            "last_epoch": values["tuner/epochs"],
            **{name: value for name, value in trial.record.items() if name in TRIAL_COLUMNS},
        }
        row |= {f"hp:{name}": value for name, value in plain(values).items()}
        return row | {f"metric:{name}": value for name, value in metrics_at_best(trial).items()}


def _is_epoch(row: Mapping[str, str]) -> bool:
    try:
        for name, cell in row.items():
            if not name.endswith("_id"):
                float(cell or 0)
        return int(row["epoch"]) > 0
    except ValueError:
        return False


def metrics_at_best(trial: StudyTrial) -> Mapping[str, float]:
    """Every metric of a trial at its best epoch."""
    found = {}
    for name, history in trial.metrics.metrics.items():
        for observation in history.get_history():
            if observation.step == trial.best_step:
                found[name] = float(observation.mean())
    return found
