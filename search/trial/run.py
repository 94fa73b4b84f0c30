"""One trial in its own process: from a `TrialSpec` to an `Outcome`, both plain data."""

from __future__ import annotations

import time
import traceback
from pathlib import Path
from typing import TYPE_CHECKING

from search.study.folder import Study
from search.study.scoring import score_of
from search.trial.checkpoint import TrainingState, copy_checkpoint, read_state, save_checkpoint, weights_file
from search.trial.contract import Ending, Outcome, Status, TrialSpec
from search.trial.damage import damage_of
from search.trial.device import DeviceError, prepare_device
from search.trial.failures import CheckpointError, one_line, status_of
from search.trial.history import TrialHistory
from search.trial.log import log_to
from search.trial.progress import ProgressFile
from search.trial.recovery import continued_trainer, last_state, mend_best, untrained
from search.trial.testing import read_test, score_test
from search.trial.validation import write_best_epoch

if TYPE_CHECKING:
    from search.trial.training import EpochResult, Trainer


def run_trial(spec: TrialSpec) -> Outcome:
    """Run a trial from its last whole epoch to its end; the entry point of the trial's process.

    Never raises: whatever goes wrong becomes an outcome, its traceback in the trial's `log.txt`.
    """
    started = time.perf_counter()
    status: Ending
    with log_to(spec.folder / "log.txt"):
        try:
            prepare_device(spec.device)
            status = TrialRun(spec).run()
            error = "the loss is not finite" if status == "diverged" else None
        except DeviceError as failure:
            traceback.print_exc()
            status, error = "unusable", str(failure)
        # The boundary of the process: every failure becomes the trial's outcome, and its traceback is logged.
        except Exception as failure:  # noqa: BLE001
            traceback.print_exc()
            status = status_of(failure)
            error = one_line(failure)
    # What counts is what is on disk, however the run ended.
    state = read_state(spec.folder / "last") or TrainingState()
    return Outcome(
        status,
        rows=state.rows,
        best_epoch=state.best_epoch,
        score=state.best_score,
        train_seconds=round(state.train_seconds, 3),
        total_seconds=round(time.perf_counter() - started, 3),
        error=error,
    )


class TrialRun:
    """The epochs of one trial, each made durable before the next begins.

    Attributes:
        state: where the trial stands.
    """

    def __init__(self, spec: TrialSpec) -> None:
        self.spec, self.folder = spec, spec.folder
        self.state = last_state(spec)
        mend_best(self.folder, self.state)
        self._history = TrialHistory(spec, self.state)

    def run(self) -> Status:
        """Train the remaining epochs, then score the test split if that is asked for.

        Neither is completed where the trial diverges or the study is to stop.
        """
        status = self._train()
        if status == "completed" and self.spec.scores_test and read_test(self.folder) is None:
            return "completed" if self._score_test() else "interrupted"
        return status

    def _train(self) -> Status:
        if self.state.epoch >= self.spec.last_epoch:
            return "completed"
        trainer = self.continued_trainer()
        stop_file = Study(Path(self.spec.study)).stop_file
        for epoch in range(self.state.epoch + 1, self.spec.last_epoch + 1):
            if stop_file.exists():
                return "interrupted"
            result = trainer.train_epoch(epoch)
            # Not kept: the checkpoint remains that of the last finite epoch.
            if result.diverged:
                return "diverged"
            self.keep(trainer, result)
        return "completed"

    def _score_test(self) -> bool:
        weights = self._best_weights()
        # Heavy; and TensorFlow must not look for devices before the trial has been given its own.
        from search.trial.setup import open_source

        progress = ProgressFile(self.spec)
        trainer = untrained(self.spec, progress)
        trainer.restore(weights)
        with trainer.averaged() as model:
            stop = Study(Path(self.spec.study)).stop_file.exists
            return score_test(self.folder, model, open_source(self.spec), progress, self.state.epoch, stop)

    def _best_weights(self) -> Path:
        """The weights that stand for the trial; if they are damaged, the epochs that gave them are trained again."""
        folder = self.folder / "best"
        weights = weights_file(folder)
        damage = None if weights is None else damage_of(weights)
        if weights is not None and damage is not None:
            print(damage, flush=True)
            weights.unlink()
        if weights_file(folder) is None:
            self.continued_trainer()
        weights = weights_file(folder)
        if weights is None:
            raise CheckpointError(f"{folder} is not whole, so the test split cannot be scored")
        return weights

    def continued_trainer(self) -> Trainer:
        """A trainer after the trial's last whole epoch; says that the trial starts."""
        progress = ProgressFile(self.spec)
        progress(self.state.epoch + 1, "start", 0, 0, 0.0)
        return continued_trainer(self.spec, self.state, progress)

    def keep(self, trainer: Trainer, result: EpochResult) -> None:
        """Make an epoch durable: the checkpoint first, then everything that can be derived from it."""
        spec, state, objective = self.spec, self.state, self.spec.objective
        row = {"trial_id": spec.trial_id, "config_id": spec.config_id, "time": time.time(), **result.row}
        state.epoch = row["epoch"]
        state.rows.append(row)
        state.train_seconds += row["seconds"]
        score = score_of(((row["epoch"], row[objective.name]) for row in state.rows), spec.score, objective)
        is_best = score is not None and score.epoch == state.epoch
        if score is not None and is_best:
            state.best_epoch, state.best_score = score.epoch, score.value
            write_best_epoch(self.folder / "best", row["epoch"], trainer.picture(result))
        save_checkpoint(self.folder / "last", trainer.model, state)
        if is_best:
            copy_checkpoint(self.folder / "last", self.folder / "best", state)
        self._history.add(row)
        if is_best:
            self._history.show_best(state)
