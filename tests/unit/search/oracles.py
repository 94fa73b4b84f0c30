"""An oracle without a search around it, for tests that only ask which trials it chooses."""

from __future__ import annotations

import json
from pathlib import Path
from random import Random
from typing import Any

import keras_tuner

from search.oracle.configurations import Configurations
from search.oracle.points import Values
from search.oracle.promotion.synchronous import SynchronousPromotion
from search.oracle.samplers.random import RandomSampler
from search.oracle.schedule import NO_CONFIRMATION, make_schedule
from search.oracle.study_oracle import StudyOracle
from search.oracle.trials import StudyTrial
from search.study.config import ConfirmSection, HyperbandSection
from search.study.folder import Study
from search.study.objective import objective_of

# Hundreds of files made durable: on a disk, most of a test's time.
MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None
OBJECTIVE = objective_of("val_mean_iou")


def large_space() -> keras_tuner.HyperParameters:
    hp = keras_tuner.HyperParameters()
    hp.Choice("depth", [0, 1, 2], default=1)
    hp.Int("width", 1, 10_000)
    with hp.conditional_scope("depth", [1, 2]):
        hp.Float("rate", 1e-3, 1.0, sampling="log")
    return hp


def points(count: int) -> keras_tuner.HyperParameters:
    """A space of exactly so many points; an empty one has a single point."""
    hp = keras_tuner.HyperParameters()
    if count > 1:
        hp.Int("width", 1, count)
    return hp


def config_id(values: Values) -> str:
    return json.dumps({name: value for name, value in values.items() if not name.startswith("tuner/")}, sort_keys=True)


def make_oracle(folder: Path, **search: Any) -> StudyOracle:
    """A new oracle that takes over whatever lies in the folder."""
    oracle = new_oracle(**search)
    folder.mkdir(parents=True, exist_ok=True)
    oracle.attach(Study(folder))
    return oracle


def new_oracle(
    *, seed: int = 0, space: Any = None, reject: Any = None, confirm: ConfirmSection = NO_CONFIRMATION, **band: Any
) -> StudyOracle:
    """An oracle that knows no folder yet."""
    hyperband = HyperbandSection(**({"max_epochs": 9, "baseline": False} | band))
    declared = space or large_space()
    return StudyOracle(
        OBJECTIVE,
        declared,
        make_schedule(hyperband, confirm),
        factor=hyperband.factor,
        iterations=hyperband.iterations,
        min_epochs=hyperband.min_epochs,
        seed=seed,
        configurations=Configurations(RandomSampler(declared, seed), reject or (lambda values: None), config_id),
        promotion=SynchronousPromotion(),
        score="best",
        control=lambda kind, values: ({**values, "width": 7}, f"{kind} {config_id(values)}"),
    )


def score(trial: StudyTrial) -> float:
    """What a trial would reach: depends on configuration and rung alone; coarse, so that ties occur."""
    return round(Random(f"{trial.record['config_id']} {trial.trial_id[-1]}").random(), 1)
