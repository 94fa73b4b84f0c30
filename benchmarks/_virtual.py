"""Searches of a study's oracle in virtual time, whose trials end without any training."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from heapq import heappop, heappush
from pathlib import Path

import keras_tuner
import numpy as np

from search.oracle.configurations import Configurations
from search.oracle.points import Values
from search.oracle.promotion.synchronous import SynchronousPromotion
from search.oracle.samplers import Sampler
from search.oracle.schedule import make_schedule
from search.oracle.sight import Sight
from search.oracle.study_oracle import StudyOracle
from search.oracle.trials import StudyTrial
from search.study.config import HyperbandSection
from search.study.folder import Study
from search.study.objective import Objective
from search.study.scoring import ScoreRule

# Where an oracle keeps its files: in memory, because a search has hundreds of trials and nothing to recover.
MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None


def make_oracle(
    space: keras_tuner.HyperParameters,
    band: HyperbandSection,
    objective: Objective,
    sampler: Sampler,
    config_id: Callable[[Values], str],
    *,
    seed: int,
    learns: bool,
    score: ScoreRule,
    folder: str,
) -> StudyOracle:
    """The oracle of a study, which keeps its files in a folder; `learns`: the sampler's draws see results."""
    schedule = make_schedule(band)
    oracle = StudyOracle(
        objective,
        space,
        schedule,
        factor=band.factor,
        iterations=band.iterations,
        min_epochs=band.min_epochs,
        seed=seed,
        configurations=Configurations(sampler, lambda _: None, config_id),
        promotion=SynchronousPromotion(),
        score=score,
        control=lambda _, values: (values, ""),
        sight=Sight(schedule, objective) if learns else None,
    )
    oracle.attach(Study(Path(folder)))
    return oracle


def run(oracle: StudyOracle, workers: int, draws: list[float]) -> Iterator[tuple[float, StudyTrial]]:
    """Each trial when it ends, with the time then; configurations differ in the time that their epochs take."""
    running: list[tuple[float, str]] = []
    now = 0.0
    while True:
        while len(running) < workers:
            started = time.perf_counter()
            trial = oracle.create_trial(f"slot{len(oracle.trials)}")
            if trial.place and trial.place.rung == 0:
                draws.append(time.perf_counter() - started)
            if trial.status != "RUNNING":
                break
            values = trial.hyperparameters.values
            speed = np.random.default_rng(trial.place.number).uniform(0.5, 1.5) if trial.place else 1.0
            length = (values["tuner/epochs"] - values["tuner/initial_epoch"]) * speed
            heappush(running, (now + length, trial.trial_id))
        if not running:
            return
        now, trial_id = heappop(running)
        yield now, oracle.trials[trial_id]
