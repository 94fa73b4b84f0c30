"""The oracle and the limits of a study, made from its configuration."""

from __future__ import annotations

from typing import TYPE_CHECKING

import keras_tuner

from search.oracle.identity import config_id
from search.oracle.latency import LatencyMeter
from search.oracle.limits import Limits
from search.oracle.points import Values
from search.oracle.schedule import make_schedule
from search.oracle.study_oracle import StudyOracle
from search.study.config import StudyConfig
from search.study.objective import objective_of
from search.study.prepare import Prepared
from space import Space

if TYPE_CHECKING:
    from search.oracle.limits import Limits


def make_oracle(config: StudyConfig, space: Space, limits: Limits) -> StudyOracle:
    """The oracle of a study, not yet attached to its folder."""
    return StudyOracle(
        keras_tuner.Objective(*objective_of(config.study.objective)),
        space.hyperparameters(),
        make_schedule(config.hyperband),
        factor=config.hyperband.factor,
        iterations=config.hyperband.iterations,
        min_epochs=config.hyperband.min_epochs,
        seed=config.study.seed,
        reject=limits.reject,
        config_id=lambda values: config_id(space.architecture(values), space.recipe_of(values)),
    )


def preview(oracle: StudyOracle, config: StudyConfig, space: Space) -> list[Values]:
    """The configurations that a study will draw: all that the schedule asks for, or all that the space holds."""
    return oracle.preview({config_id(*space.baseline())} if config.hyperband.baseline else frozenset())


def make_limits(prepared: Prepared, meter: LatencyMeter) -> Limits:
    """The limits of a study."""
    from search.oracle.limits import Limits

    return Limits(prepared.config, prepared.space, prepared.dataset.classes, meter)
