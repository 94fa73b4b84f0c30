"""The oracle and the limits of a study, made from its configuration."""

from __future__ import annotations

from search.oracle.configurations import Configurations
from search.oracle.identity import config_id, control_of
from search.oracle.latency import LatencyMeter
from search.oracle.limits import LATENCY, Limits
from search.oracle.points import Values
from search.oracle.schedule import make_schedule
from search.oracle.sight import Sight
from search.oracle.start import NO_START, Start
from search.oracle.study_oracle import StudyOracle
from search.study.choices import LEARNING, PROMOTIONS, SAMPLERS, load_choice
from search.study.config import StudyConfig
from search.study.folder import Study
from search.study.objective import objective_of
from search.study.prepare import Prepared
from search.study.versions import is_of_another_version, not_understood
from search.system.wording import listed
from space import Space


def make_oracle(config: StudyConfig, space: Space, limits: Limits, start: Start = NO_START) -> StudyOracle:
    """The oracle of a study, not yet attached to its folder; `start` is what it takes from earlier ones."""
    hyperparameters = space.hyperparameters()
    objective, schedule = objective_of(config.study.objective), make_schedule(config.hyperband, config.confirm)
    earlier = [result.observation(objective.sign) for result in start.results]
    return StudyOracle(
        objective,
        hyperparameters,
        schedule,
        factor=config.hyperband.factor,
        iterations=config.hyperband.iterations,
        min_epochs=config.hyperband.min_epochs,
        seed=config.study.seed,
        configurations=Configurations(
            load_choice(SAMPLERS, config.hyperband.sampler)(hyperparameters, config.study.seed),
            limits.reject,
            lambda values: config_id(space.architecture(values), space.recipe_of(values)),
            start.points,
        ),
        promotion=load_choice(PROMOTIONS, config.hyperband.mode)(),
        score=config.study.score,
        control=lambda kind, values: control_of(space, kind, values),
        sight=Sight(schedule, objective, earlier) if config.hyperband.sampler in LEARNING else None,
    )


def preview(oracle: StudyOracle, config: StudyConfig, space: Space) -> list[Values]:
    """The configurations that a study will draw: all that the schedule asks for, or all that the space holds."""
    return oracle.preview({config_id(*space.baseline())} if config.hyperband.baseline else frozenset())


def draw_ahead(oracle: StudyOracle, config: StudyConfig, space: Space, limits: Limits) -> int:
    """How many configurations the study can have at most.

    Networks whose latency is limited are drawn now, before a trial runs, because one that runs beside them would slow
    the measurement. Without such a limit nothing is drawn: what a small space supplies is counted.
    """
    if LATENCY in limits.given:
        return len(preview(oracle, config, space))
    supply = space.count_configurations()
    planned = oracle.schedule.configurations
    if supply is None:
        return planned
    return min(planned, supply - (config.hyperband.baseline and space.holds(*space.baseline())))


def check_trials(study: Study, oracle: StudyOracle) -> None:
    """Refuse a study that another version drove if this version would not know its trials again; changes nothing.

    Raises:
        UserError: with those trials, and the version that continues them.
    """
    frozen = study.frozen()
    unknown = oracle.misfits(study) if is_of_another_version(frozen) else []
    if unknown:
        raise not_understood(
            study.folder,
            frozen,
            f"of {listed(unknown, most=5)}, the hyperparameters do not give the configuration that trial.json names. "
            "Where such a file was edited, restore it.",
        )


def make_limits(prepared: Prepared, meter: LatencyMeter) -> Limits:
    """The limits of a study."""
    return Limits(prepared.config, prepared.space, prepared.dataset.classes, meter)
