"""Which points of the space may take a trial, and the oracle that draws them."""

from __future__ import annotations

import keras_tuner

from datasets import Dataset
from deeplab import cost
from search.best import config_id
from search.config import StudyConfig
from search.drawing import Values
from search.oracle import StudyOracle
from search.schedule import make_schedule
from space import Space


def make_oracle(config: StudyConfig, space: Space, dataset: Dataset) -> StudyOracle:
    """The oracle of a study, not yet attached to its folder."""
    limits = config.limits

    def admit(values: Values) -> bool:
        if not space.admits(values):
            return False
        if limits.max_parameters is None and limits.max_macs is None:
            return True
        size = cost(space.architecture(values), config.data.image_size, dataset.classes)
        fits = limits.max_parameters is None or size.parameters <= limits.max_parameters
        return fits and (limits.max_macs is None or size.macs <= limits.max_macs)

    return StudyOracle(
        keras_tuner.Objective(config.study.objective, config.study.direction),
        space.hyperparameters(),
        make_schedule(config.hyperband),
        factor=config.hyperband.factor,
        iterations=config.hyperband.iterations,
        min_epochs=config.hyperband.min_epochs,
        seed=config.study.seed,
        admit=admit,
        config_id=lambda values: config_id(space.architecture(values), space.recipe_of(values)),
    )


def preview(oracle: StudyOracle, config: StudyConfig, space: Space) -> list[Values]:
    """The configurations that a study will draw: all that the schedule asks for, or all that the space holds."""
    return oracle.preview({config_id(*space.baseline())} if config.hyperband.baseline else frozenset())
