"""From a trial of the oracle to all that its process needs."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Any

from datasets import Dataset, class_pixels
from datasets.cache import open_cache
from search.oracle.identity import configuration_of, seed_of
from search.oracle.trials import StudyTrial
from search.study.columns import epoch_columns
from search.study.config import StudyConfig
from search.study.folder import Study
from search.study.ids import confirmation_of, run_of
from search.study.objective import objective_of
from search.trial.contract import Device, TrialSpec
from space import Space


class Specifier:
    """Makes the `TrialSpec` of each trial of one study.

    Args:
        study: its folder, which has been created.
        config: its configuration.
        space: its search space.
        dataset: its data, opened.
    """

    def __init__(self, study: Study, config: StudyConfig, space: Space, dataset: Dataset) -> None:
        self._study, self._config, self._space, self._dataset = study, config, space, dataset
        # Read once: a study's own file does not change while it runs.
        self._cache = str(study.data_cache(config))

    def __call__(self, trial: StudyTrial, device: Device) -> TrialSpec:
        """Everything that decides what a trial does, and the device it does it on."""
        config, dataset = self._config, self._dataset
        architecture, recipe = configuration_of(self._space, trial.trial_id, trial.hyperparameters.values)
        values = trial.hyperparameters.values
        return TrialSpec(
            study=str(self._study.folder),
            trial_id=trial.trial_id,
            config_id=trial.record["config_id"],
            run=run_of(trial.trial_id),
            parent_id=trial.parent_id,
            first_epoch=values["tuner/initial_epoch"],
            last_epoch=values["tuner/epochs"],
            max_epochs=config.hyperband.max_epochs,
            architecture=architecture.model_dump(),
            recipe=recipe.model_dump(),
            encoder_weights=config.weights_of(architecture.encoder),
            data_format=config.data.format,
            data=self._data_options,
            images={split: dataset.length(split) for split in ("train", "val")},
            cache=self._cache,
            data_seed=config.study.seed,
            seed=seed_of(config.study.seed, config.study.seed_of or trial.trial_id),
            objective=objective_of(config.study.objective),
            score=config.study.score,
            scores_test=confirmation_of(trial.trial_id) is not None and dataset.length("test") > 0,
            columns=epoch_columns(dataset.class_names),
            class_names=tuple(dataset.class_names),
            device=device,
            class_pixels=self._class_pixels if recipe.loss == "weighted_crossentropy" else None,
        )

    @cached_property
    def _data_options(self) -> dict[str, Any]:
        assigned = self._dataset.assigned_splits()
        return self._config.data.options() | ({} if assigned is None else {"assigned": assigned})

    @cached_property
    def _class_pixels(self) -> tuple[int, ...]:
        """Counted once, where a configuration first needs them."""
        return class_pixels(open_cache(Path(self._cache), self._dataset) or self._dataset, "train")
