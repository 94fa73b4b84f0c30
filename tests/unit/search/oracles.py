"""An oracle without a search around it, for tests that only ask which trials it chooses."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any

import keras_tuner

from search.oracle.configurations import Configurations
from search.oracle.points import Observation, Values
from search.oracle.promotion.synchronous import SynchronousPromotion
from search.oracle.schedule import NO_CONFIRMATION, make_schedule
from search.oracle.sight import Sight
from search.oracle.study_oracle import StudyOracle
from search.oracle.trials import StudyTrial
from search.study.choices import LEARNING, SAMPLERS, load_choice
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
    *,
    seed: int = 0,
    space: Any = None,
    reject: Any = None,
    confirm: ConfirmSection = NO_CONFIRMATION,
    start: Sequence[Values] = (),
    earlier: Sequence[Observation] = (),
    **band: Any,
) -> StudyOracle:
    """An oracle that knows no folder yet."""
    hyperband = HyperbandSection(**({"max_epochs": 9, "baseline": False} | band))
    declared, schedule = space or large_space(), make_schedule(hyperband, confirm)
    sampler = load_choice(SAMPLERS, hyperband.sampler)(declared, seed)
    return StudyOracle(
        OBJECTIVE,
        declared,
        schedule,
        factor=hyperband.factor,
        iterations=hyperband.iterations,
        min_epochs=hyperband.min_epochs,
        seed=seed,
        configurations=Configurations(sampler, reject or (lambda values: None), config_id, start),
        promotion=SynchronousPromotion(),
        score="best",
        control=lambda kind, values: ({**values, "width": 7}, f"{kind} {config_id(values)}"),
        sight=Sight(schedule, OBJECTIVE, earlier) if hyperband.sampler in LEARNING else None,
    )


def score(trial: StudyTrial) -> float:
    """What a trial would reach: depends on configuration and rung alone; coarse, so that ties occur."""
    return round(Random(f"{trial.record['config_id']} {trial.trial_id[-1]}").random(), 1)


class Workers:
    """Workers that finish in random order; trials that fail; a driver that is restarted. Nothing is trained."""

    def __init__(
        self, folder: Path, *, count: int = 1, failing: float = 0.0, chance: Random | None = None, **search: Any
    ):
        self.folder, self.search = folder, search
        self.count, self.failing, self.chance = count, failing, chance or Random(0)
        self.oracle = make_oracle(folder, **search)
        self.running: list[str] = []
        self.runs: list[str] = []

    def run(self, *, restarts: float = 0.0) -> StudyOracle:
        while True:
            if self.chance.random() < restarts:
                self.restart()
            if len(self.running) == self.count or (self.running and self.chance.random() < 0.4):
                self.finish()
                continue
            trial = self.oracle.create_trial(f"slot{len(self.oracle.trials)}")
            if trial.status == "RUNNING":
                self.running.append(trial.trial_id)
                self.runs.append(trial.trial_id)
            elif trial.status == "IDLE":
                assert self.running, "waits for trials that nobody runs"
                self.finish()
            else:
                assert not self.running
                return self.oracle

    def fails(self, trial_id: str) -> bool:
        return Random(f"fails {trial_id}").random() < self.failing

    def finish(self) -> None:
        trial_id = self.running.pop(self.chance.randrange(len(self.running)))
        if self.fails(trial_id):
            self.oracle.finish(trial_id, "FAILED", "out of luck")
            return
        value = score(self.oracle.trials[trial_id])
        self.oracle.report(trial_id, [{"epoch": 1, "val_mean_iou": value}], ("val_mean_iou",))
        self.oracle.finish(trial_id, "COMPLETED")

    def restart(self) -> None:
        self.oracle = make_oracle(self.folder, **self.search)
        assert sorted(self.running) == sorted(trial.trial_id for trial in self.oracle.ongoing_trials.values())
