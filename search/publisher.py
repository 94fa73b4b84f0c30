"""What a study shows after each trial: CSVs, TensorBoard's table, `best.toml`; and the checkpoints it keeps."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from dimensions import plain
from search.best import configuration_of, write_best
from search.config import StudyConfig
from search.ledger import Ledger, metrics_at_best
from search.oracle import StudyOracle, StudyTrial
from search.study import BASELINE, Study
from search.tensorboard import hparams_written, write_hparams, write_hparams_layout
from space import Space

# Best trials that keep their checkpoints, for export; the baseline does too.
KEEP_BEST = 3
# Columns of the HParams table beside the hyperparameters.
PLACE = ("bracket", "rung", "iteration", "epochs", "parameters", "macs")


class Publisher:
    """Derives every result file from the oracle's trials."""

    def __init__(
        self, study: Study, config: StudyConfig, space: Space, oracle: StudyOracle, class_names: Sequence[str]
    ) -> None:
        self._study, self._config, self._space, self._oracle = study, config, space, oracle
        self.ledger = Ledger(study, list(space.searched), class_names)
        # TensorBoard's tag -> the metric at the best epoch.
        self._metrics = {f"best/{config.study.objective}": config.study.objective, "best/val_loss": "val_loss"}

    def start(self) -> None:
        """Bring what a killed driver left into line with the trials."""
        self.ledger.rebuild_epochs(self._oracle)
        columns: dict[str, list[Any]] = {
            name: list(dimension.choices) for name, dimension in self._space.searched.items()
        }
        columns |= {name: [] for name in PLACE}
        write_hparams_layout(self._study.tensorboard, columns, [*self._metrics, "best/seconds"])
        for trial_id in self._oracle.end_order:
            trial = self._oracle.trials[trial_id]
            if hparams_written(self._study.tensorboard / run_name(trial)) < _ended(trial):
                self._write_hparams(trial)
        self._keep_best()

    def publish(self, trial: StudyTrial) -> None:
        """Show a trial that has just finished, and drop the checkpoints that its end made useless."""
        self.ledger.write_trials(self._oracle)
        self._write_hparams(trial)
        self._keep_best()

    def _keep_best(self) -> None:
        """`best.toml`, and the checkpoints that are worth keeping."""
        ranking = self._oracle.ranking()
        if ranking:
            architecture, recipe = configuration_of(self._space, ranking[0].trial_id, ranking[0].hyperparameters.values)
            write_best(self._study, self._config, ranking[0], architecture, recipe)
        self._prune(ranking)

    def _write_hparams(self, trial: StudyTrial) -> None:
        values, at_best = trial.hyperparameters.values, metrics_at_best(trial)
        place = (values.get("tuner/bracket"), values.get("tuner/round"), values.get("tuner/iteration"))
        numbers = (*place, values["tuner/epochs"], trial.record["parameters"], trial.record["macs"])
        hparams = plain(values) | {"config_id": trial.record["config_id"], **dict(zip(PLACE, numbers, strict=True))}
        metrics = {tag: at_best[name] for tag, name in self._metrics.items() if name in at_best}
        metrics["best/seconds"] = trial.record["total_seconds"]
        run = self._study.tensorboard / run_name(trial)
        write_hparams(run, run.name, hparams, metrics, trial.best_step or 0, _ended(trial))

    def _prune(self, ranking: list[StudyTrial]) -> None:
        """Remove the checkpoints that no promotion, resumption or export can need."""
        best = {trial.trial_id for trial in ranking[:KEEP_BEST]} | {BASELINE}
        parents = {trial.parent_id for trial in self._oracle.trials.values() if not trial.finished}
        for trial in self._oracle.trials.values():
            if not trial.finished or trial.trial_id in parents or self._oracle.may_be_promoted(trial):
                continue
            folder = self._study.trial(trial.trial_id)
            shutil.rmtree(folder / "last", ignore_errors=True)
            if trial.trial_id not in best:
                shutil.rmtree(folder / "best", ignore_errors=True)


def _ended(trial: StudyTrial) -> float:
    """When a finished trial ended, in seconds since 1970."""
    return datetime.fromisoformat(trial.record["finished"]).timestamp()


def run_name(trial: StudyTrial) -> str:
    """The configuration's run in TensorBoard: one for all its rungs."""
    return BASELINE if trial.place is None else f"{trial.place[0]:04d}"
