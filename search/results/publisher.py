"""What a study shows after each trial: CSVs, TensorBoard's table, `best.toml`; and the checkpoints it keeps."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from hyperparameters.dimensions import plain
from search.oracle.identity import configuration_of
from search.oracle.study_oracle import StudyOracle
from search.oracle.trials import StudyTrial
from search.results.best_file import write_best
from search.results.hparams import hparams_written, write_hparams, write_hparams_layout
from search.results.ledger import Ledger, metrics_at_best
from search.results.pruning import Pruner
from search.results.search_curves import End, SearchCurves, write_curve_layout
from search.study.config import StudyConfig
from search.study.folder import Study
from search.study.ids import run_of
from search.study.objective import objective_of
from search.trial.events import mend_trial_events
from space import Space

# Columns of the HParams table beside the hyperparameters.
PLACE = ("config_id", "bracket", "rung", "iteration", "epochs", "parameters", "macs")


class Publisher:
    """Derives every result file from the oracle's trials."""

    def __init__(
        self, study: Study, config: StudyConfig, space: Space, oracle: StudyOracle, class_names: Sequence[str]
    ) -> None:
        self._study, self._config, self._space, self._oracle = study, config, space, oracle
        self.ledger = Ledger(study, list(space.searched), class_names)
        self._started = datetime.fromisoformat(study.frozen()["created"]).timestamp()
        self._busy = 0
        self._pruner = Pruner(study, oracle)
        self._best_id: str | None = None
        # TensorBoard's tag -> the metric at the best epoch.
        self._metrics = {f"best/{config.study.objective}": config.study.objective, "best/val_loss": "val_loss"}

    def start(self) -> None:
        """Bring what a killed driver left into line with the trials."""
        self.ledger.rebuild_trials(self._oracle)
        self.ledger.rebuild_epochs(self._oracle)
        columns: dict[str, list[Any] | None] = {
            name: list(dimension.choices) for name, dimension in self._space.searched.items()
        }
        columns |= {name: None if name == "config_id" else [] for name in PLACE}
        write_hparams_layout(self._study.tensorboard, columns, [*self._metrics, "best/seconds"])
        write_curve_layout(self._study.tensorboard, self._config.study.objective)
        ended = sorted((self._oracle.trials[trial_id] for trial_id in self._oracle.end_order), key=_ended)
        objective = objective_of(self._config.study.objective)
        self._curves = SearchCurves(self._study.tensorboard, objective, map(_end, ended))
        for trial in ended:
            run = self._study.tensorboard / run_of(trial.trial_id)
            if hparams_written(run) < _ended(trial):
                self._write_hparams(trial)
            first_epoch = trial.hyperparameters.values["tuner/initial_epoch"]
            mend_trial_events(run, trial.trial_id, self._timed_epochs(trial), first_epoch)
            self._pruner.add(trial)
        self._write_best()
        self.prune()

    def show_workers(self, busy: int) -> None:
        """Show how many trials run now, where that has changed."""
        if busy != self._busy:
            self._busy, now = busy, time.time()
            self._curves.add_busy(busy, now, now - self._started)

    def publish(self, trial: StudyTrial) -> None:
        """Show a trial that has just finished, and drop the checkpoints that its end made useless."""
        self.ledger.update_trials(self._oracle)
        self._curves.add_end(_end(trial))
        self._write_hparams(trial)
        self._write_best()
        self._pruner.add(trial)
        self.ledger.forget(trial.trial_id)
        self.prune()

    def prune(self) -> None:
        """Remove the checkpoints that nothing can need any more."""
        self._pruner.prune()

    def _timed_epochs(self, trial: StudyTrial) -> list[dict[str, Any]]:
        """A finished trial's epochs as its events show them, with about the time at which each ended."""
        rows: list[dict[str, Any]] = []
        time = _ended(trial)
        for text in reversed(self.ledger.epochs_of(trial.trial_id)):
            row = {name: float(cell) for name, cell in text.items() if cell and not name.endswith("_id")}
            rows.insert(0, {**row, "epoch": int(row["epoch"]), "time": time})
            time -= row["seconds"]
        return rows

    def _write_best(self) -> None:
        """Write `best.toml`, where another trial is the best now."""
        best = next(iter(self._oracle.state.completed), None)
        if best is not None and best.trial_id != self._best_id:
            architecture, recipe = configuration_of(self._space, best.trial_id, best.hyperparameters.values)
            write_best(self._study, self._config, best, architecture, recipe)
            self._best_id = best.trial_id

    def _write_hparams(self, trial: StudyTrial) -> None:
        values, at_best = trial.hyperparameters.values, metrics_at_best(trial)
        place = (values.get("tuner/bracket"), values.get("tuner/round"), values.get("tuner/iteration"))
        numbers = (values["tuner/epochs"], trial.record["parameters"], trial.record["macs"])
        hparams = plain(values) | dict(zip(PLACE, (trial.record["config_id"], *place, *numbers), strict=True))
        metrics = {tag: at_best[name] for tag, name in self._metrics.items() if name in at_best}
        metrics["best/seconds"] = trial.record["total_seconds"]
        run = self._study.tensorboard / run_of(trial.trial_id)
        write_hparams(run, run.name, hparams, metrics, trial.best_step or 0, _ended(trial))


def _end(trial: StudyTrial) -> End:
    return _ended(trial), trial.score if trial.status == "COMPLETED" else None


def _ended(trial: StudyTrial) -> float:
    """When a finished trial ended, in seconds since 1970."""
    # Exactly, where it is known: several may end in one second, and keep their order.
    ended: float | None = trial.record.get("ended")
    return ended or datetime.fromisoformat(trial.record["finished"]).timestamp()
