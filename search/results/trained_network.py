"""A trial's best network, rebuilt from the study folder alone."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from recipe import Recipe, compile_model
from search.errors import UserError
from search.results.snapshot import snapshot_from_disk
from search.study.config import StudyConfig
from search.study.folder import Study
from search.study.prepare import read_space
from search.system.csv_files import read_csv
from search.trial.checkpoint import weights_file

if TYPE_CHECKING:
    import keras

    from deeplab import Architecture
    from deeplab.model import Output


@dataclass(frozen=True)
class TrainedTrial:
    """A trial with its configuration and what its model's outputs mean."""

    trial_id: str
    config: StudyConfig
    architecture: Architecture
    recipe: Recipe
    class_names: tuple[str, ...]
    outputs: int
    score: float | None


def trained_trial(study: Study, trial_id: str | None) -> TrainedTrial:
    """Find a trial of a study, the best one by default.

    Raises:
        UserError: there is no such trial, or none has completed.
    """
    config = study.config()
    if trial_id is None:
        best = snapshot_from_disk(study).best
        if best is None:
            raise UserError(f"{study.folder}: no trial has completed yet; see deeplab-search status {study.folder}")
        trial_id = str(best["trial_id"])
    known = [row["trial_id"] for row in read_csv(study.trials_csv)]
    if trial_id not in known:
        raise UserError(f"{study.folder} has no trial {trial_id!r}; it has {', '.join(known)}.")
    space = read_space(config, str(study.config_file))
    from search.oracle.identity import configuration_of
    from search.oracle.trials import read_trial

    trial = read_trial(study.trial(trial_id))
    if trial is None:
        raise UserError(f"{study.trial(trial_id)}: trial.json and its copy are damaged; `run` makes the trial again.")
    architecture, recipe = configuration_of(space, trial_id, trial.hyperparameters.values)
    frozen = study.frozen()
    return TrainedTrial(
        trial_id, config, architecture, recipe, tuple(frozen["class_names"]), int(frozen["outputs"]), trial.score
    )


def load_model(
    study: Study, trial: TrainedTrial, *, output: Output = "probabilities", dynamic: bool = False
) -> keras.Model:
    """The trial's network at its best epoch: images (0-255) to `output`, of stock Keras layers only.

    With `dynamic`, it takes images of any size.

    Raises:
        UserError: the checkpoint is gone, because only the best trials keep theirs.
    """
    import h5py

    from deeplab import build_model
    from deeplab.archive import check_arrays

    folder = study.trial(trial.trial_id) / "best"
    weights = weights_file(folder)
    if weights is None and folder.exists():
        raise UserError(f"{folder}: the checkpoint is damaged. Choose another --trial.")
    if weights is None:
        raise UserError(
            f"{study.folder}: trial {trial.trial_id} keeps no checkpoint (only the best ones and the baseline do). "
            "Choose another --trial."
        )
    size, channels = trial.config.data.image_size, trial.config.data.channels
    trained = build_model(trial.architecture, size, trial.outputs, output="logits", channels=channels)
    try:
        with h5py.File(weights) as file:
            check_arrays(file)
        _load_weights(trained, weights, trial)
    # h5py and Keras raise errors of many kinds for a damaged file; the user needs the one fact.
    except Exception as error:  # noqa: BLE001
        raise UserError(f"{weights} cannot be read: {error}. Choose another --trial.") from None
    # Not compiled, as the other is where weights were averaged.
    takes = (None, None) if dynamic else size
    model = build_model(trial.architecture, takes, trial.outputs, output=output, channels=channels)
    model.set_weights(trained.get_weights())
    return model


def _load_weights(model: keras.Model, weights: Path, trial: TrainedTrial) -> None:
    """Load a checkpoint; of averaged weights, which the optimizer keeps, these."""
    from search.trial.weights import read_weights

    if not trial.recipe.ema:
        read_weights(model, weights)
        return
    from deeplab.optimizers import use_averaged_weights

    # The averages are the same whatever the schedule is.
    compile_model(model, trial.recipe, classes=trial.outputs, ignore_index=255, total_steps=1)
    read_weights(model, weights)
    use_averaged_weights(model)
