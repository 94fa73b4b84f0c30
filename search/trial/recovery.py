"""Where a trial continues: after its last whole epoch, or after an older one if a checkpoint is damaged."""

from __future__ import annotations

import textwrap
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from search.study.folder import Study
from search.study.ids import ancestors_of
from search.trial.checkpoint import (
    TrainingState,
    copy_checkpoint,
    read_state,
    save_checkpoint,
    weights_file,
    writer_of,
)
from search.trial.contract import TrialSpec
from search.trial.damage import damage_of
from search.trial.failures import CheckpointError, status_of

if TYPE_CHECKING:
    from search.trial.steps import Progress
    from search.trial.training import Trainer


def last_state(spec: TrialSpec) -> TrainingState:
    """Where the trial stands: after its last whole epoch, or before its first."""
    # If the last checkpoint is damaged, the best one may still be whole.
    kept = (read_state(spec.folder / name) for name in ("last", "best"))
    return next((state for state in kept if state is not None), TrainingState(epoch=spec.first_epoch))


def mend_best(folder: Path, state: TrainingState) -> None:
    """Copy the last checkpoint to `best/` if a kill came before that and the last epoch is the best one."""
    best, last = read_state(folder / "best"), weights_file(folder / "last")
    if last is not None and state.best_epoch == state.epoch and (best is None or best.epoch != state.epoch):
        copy_checkpoint(folder / "last", folder / "best", state)


def continued_trainer(spec: TrialSpec, state: TrainingState, progress: Progress) -> Trainer:
    """A trainer after the last epoch of `state`, from the newest weights of the configuration that can be read.

    If these are older because a file is damaged, the epochs since then are trained again, with the same results.

    Raises:
        CheckpointError: the newest weights are as they were written, but cannot be restored here.
    """
    for epoch, weights in weights_to_continue(spec, state):
        damage = damage_of(weights)
        if damage is not None:
            print(damage, flush=True)
            continue
        trainer = untrained(spec, progress)
        _restore(trainer, weights)
        _train_again(spec, trainer, epoch, state)
        return trainer
    trainer = untrained(spec, progress, pretrained=True)
    _train_again(spec, trainer, 0, state)
    return trainer


def untrained(spec: TrialSpec, progress: Progress, *, pretrained: bool = False) -> Trainer:
    """The trial's trainer before its first epoch; `pretrained` loads the encoder's weights, if the study has any."""
    # Heavy; and TensorFlow must not look for devices before the trial has been given its own.
    from search.trial.setup import make_trainer

    return make_trainer(spec, progress, pretrained=pretrained)


def weights_to_continue(spec: TrialSpec, state: TrainingState) -> list[tuple[int, Path]]:
    """(epoch, weights) of every whole checkpoint of the configuration up to the state's epoch, the newest first."""
    last_epoch = state.epoch
    if state.best_epoch is not None and weights_file(spec.folder / "best") is None:
        # The best epoch's checkpoint is lost too: starting before that epoch makes it again.
        last_epoch = state.best_epoch - 1
    study = Study(Path(spec.study))
    found = []
    for folder in (study.trial(name) / kind for name in _rungs(spec) for kind in ("last", "best")):
        held, weights = read_state(folder), weights_file(folder)
        if held is not None and weights is not None and held.epoch <= last_epoch:
            found.append((held.epoch, weights))
    return sorted(found, key=lambda pair: pair[0], reverse=True)


def _restore(trainer: Trainer, weights: Path) -> None:
    try:
        trainer.restore(weights)
    except Exception as error:
        if status_of(error) != "failed":
            raise
        import keras

        reason = textwrap.shorten(str(error), 400, placeholder=" ...")
        raise CheckpointError(
            f"{weights} is undamaged, but cannot be restored. Keras {writer_of(weights.parent) or '(unknown)'} wrote "
            f"it; this is Keras {keras.__version__}. Continue with the versions that study.toml names, or remove "
            f"{weights.parent} to train its epochs again. The reason: {reason}"
        ) from error


def _rungs(spec: TrialSpec) -> list[str]:
    return [spec.trial_id, *ancestors_of(spec.trial_id)]


def _train_again(spec: TrialSpec, trainer: Trainer, epoch: int, state: TrainingState) -> None:
    """Train again the epochs after `epoch` that the state says are done."""
    for done in range(epoch + 1, state.epoch + 1):
        print(f"epoch {done} is trained again: its checkpoint is damaged", flush=True)
        trainer.train_epoch(done)
        if done == state.best_epoch:
            rows = [row for row in state.rows if row["epoch"] <= done]
            save_checkpoint(spec.folder / "best", trainer.model, replace(state, epoch=done, rows=rows))
