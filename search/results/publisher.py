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
from search.results.hparams import write_hparams
from search.results.hparams_table import PLACE, metrics_of, write_table_layout
from search.results.ledger import Ledger, metrics_at_best
from search.results.pruning import Pruner
from search.results.search_curves import End, SearchCurves, write_curve_layout
from search.study.config import StudyConfig
from search.study.folder import Study
from search.study.ids import confirmation_of, run_of
from search.study.objective import objective_of
from search.trial.events import mend_trial_events
from space import Space, as_space


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
        self._class_names = class_names

    def start(self) -> None:
        """Bring what a killed driver left into line with the trials."""
        self.ledger.rebuild_trials(self._oracle)
        self.ledger.rebuild_epochs(self._oracle)
        compared = self._config.study.objective
        write_table_layout(self._study.tensorboard, [compared], self._class_names, self._space.searched)
        write_curve_layout(self._study.tensorboard, compared)
        ended = sorted((self._oracle.trials[trial_id] for trial_id in self._oracle.end_order), key=_ended)
        searched = [_end(trial) for trial in ended if confirmation_of(trial.trial_id) is None]
        self._curves = SearchCurves(self._study.tensorboard, objective_of(compared), searched)
        # A configuration's row is that of the last of its trials.
        for trial in {run_of(trial.trial_id): trial for trial in ended}.values():
            self._write_hparams(trial)
        for trial in ended:
            run = self._study.tensorboard / run_of(trial.trial_id)
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
        if confirmation_of(trial.trial_id) is None:
            self._curves.add_end(_end(trial))
        self._write_hparams(trial)
        self._write_best()
        self._pruner.add(trial)
        self.ledger.forget(trial.trial_id)
        self.prune()

    def prune(self) -> None:
        """Remove the checkpoints that nothing can need anymore."""
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
        """Write `best.toml` if another trial is the best now."""
        best = self._oracle.state.winner()
        # Only then is the configuration built, so that all other trials cost nothing here.
        if best is not None and best.trial_id != self._best_id:
            architecture, recipe = configuration_of(self._space, best.trial_id, best.hyperparameters.values)
            write_best(self._study, self._config, best, architecture, recipe, self._oracle.state.confirmed())
            self._best_id = best.trial_id

    def _write_hparams(self, trial: StudyTrial) -> None:
        at_best = {**metrics_at_best(trial), "seconds": trial.record["total_seconds"]}
        if trial.best_step is not None:
            at_best["epoch"] = trial.best_step
        tags = metrics_of([self._config.study.objective], self._class_names)
        metrics = {tag: at_best[name] for tag, name in tags.items() if name in at_best}
        run = self._study.tensorboard / run_of(trial.trial_id)
        write_hparams(run, self._hparams(trial), metrics, trial.best_step or 0, _ended(trial))

    def _hparams(self, trial: StudyTrial) -> dict[str, Any]:
        """A configuration's hyperparameters, searched or fixed, and its place in the search."""
        values, record = trial.hyperparameters.values, trial.record
        configuration = as_space(*configuration_of(self._space, trial.trial_id, values))
        fixed = {name: value for name, value in configuration.items() if name not in self._space.searched}
        schedule = (values.get("tuner/bracket"), values.get("tuner/round"), values.get("tuner/iteration"))
        numbers = (values["tuner/epochs"], record["parameters"], record["macs"])
        place = (self._study.name, record["config_id"], *schedule, *numbers)
        return fixed | plain(values) | dict(zip(PLACE, place, strict=True))


def _end(trial: StudyTrial) -> End:
    return _ended(trial), trial.score if trial.status == "COMPLETED" else None


def _ended(trial: StudyTrial) -> float:
    """When a finished trial ended, in seconds since 1970."""
    # Exactly, where it is known: several may end in one second, and keep their order.
    ended: float | None = trial.record.get("ended")
    return ended or datetime.fromisoformat(trial.record["finished"]).timestamp()
