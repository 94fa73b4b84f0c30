"""What a draw sees: enough to learn from, and never anything that depends on timing."""

from __future__ import annotations

from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from search.oracle.points import without_place
from search.oracle.sight import LAG, UNSEEN_RUNGS, Sight, is_blind, seen_results
from search.oracle.study_oracle import StudyOracle
from search.study.objective import objective_of
from tests.unit.search.oracles import MEMORY, OBJECTIVE, Workers, make_oracle, new_oracle, points

TPE: dict[str, Any] = {"sampler": "tpe"}
LONG: dict[str, Any] = {**TPE, "max_epochs": 27, "iterations": 2}


def drawn(oracle: StudyOracle) -> dict[str, Any]:
    return {name: trial.hyperparameters.values for name, trial in sorted(oracle.trials.items())}


@settings(max_examples=12, deadline=None)
@given(
    count=st.sampled_from([2, 8, 16]),
    chance=st.randoms(use_true_random=False),
    failing=st.sampled_from([0.0, 0.2, 0.9]),
    max_epochs=st.integers(1, 14),
    factor=st.integers(2, 4),
    iterations=st.integers(1, 3),
    size=st.sampled_from([0, 7, 60]),
)
def test_workers_kills_and_order_change_no_configuration(
    count: int, chance: Random, failing: float, size: int, **band: int
) -> None:
    search: dict[str, Any] = {**TPE, **band} | ({"space": points(size)} if size else {})
    with TemporaryDirectory(dir=MEMORY) as one, TemporaryDirectory(dir=MEMORY) as other:
        alone = Workers(Path(one), failing=failing, **search).run()
        many = Workers(Path(other), count=count, failing=failing, chance=chance, **search).run(restarts=0.2)
        assert drawn(many) == drawn(alone)
        assert make_oracle(Path(other), **search).create_trial("next").status == "STOPPED"


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> StudyOracle:
    """A whole search by one worker, without disturbance."""
    return Workers(tmp_path_factory.mktemp("alone"), **LONG).run()


@pytest.mark.parametrize("count", [1, 2, 8])
def test_the_sequence_of_a_whole_search_is_one_whatever_the_workers(
    alone: StudyOracle, tmp_path: Path, count: int
) -> None:
    other = Workers(tmp_path, count=count, chance=Random(count), **LONG).run(restarts=0.05)
    assert drawn(other) == drawn(alone)


def test_what_sees_nothing_is_drawn_as_by_random_and_the_rest_is_not(alone: StudyOracle) -> None:
    random = new_oracle(**LONG | {"sampler": "random"}).preview()
    found = [without_place(alone.trials[f"{number:04d}-0"].hyperparameters.values) for number in range(len(random))]
    same = [number for number, values in enumerate(found) if values == random[number]]
    blind = [
        number
        for bracket in alone.schedule.brackets
        for number in range(bracket.first_config, bracket.first_config + bracket.rungs[0].size)
        if is_blind(bracket, number)
    ]
    assert set(blind) <= set(same)
    assert len(same) < len(found) / 2


def test_a_draw_sees_earlier_brackets_and_its_own_up_to_the_lag(alone: StudyOracle) -> None:
    sight, schedule = Sight(alone.schedule, OBJECTIVE), alone.schedule
    for number in range(schedule.configurations):
        seen = sight.seen_by(number, alone.state)
        assert seen is not None
        counted: dict[int, int] = {}
        for observation in seen.observations:
            counted[observation.epochs] = counted.get(observation.epochs, 0) + 1
        assert counted == {epochs: count for epochs, count in seen_results(schedule, number).items() if count}
        assert len(seen.pending) < LAG
    second = schedule.brackets[1]
    number = second.first_config + second.rungs[0].size - 1
    own = number - second.first_config - LAG + 1
    assert seen_results(schedule, number)[second.rungs[0].last_epoch] == own + schedule.brackets[0].rungs[1].size
    assert schedule.max_epochs not in seen_results(schedule, number), f"the last {UNSEEN_RUNGS} of the bracket before"


def test_a_draw_waits_for_what_it_sees_and_for_nothing_else(tmp_path: Path) -> None:
    oracle = make_oracle(tmp_path, max_epochs=27, **TPE)
    bracket = oracle.schedule.brackets[0]
    blind = sum(is_blind(bracket, number) for number in range(bracket.rungs[0].size))
    started: list[str] = []
    while (trial := oracle.create_trial(f"slot{len(started)}")).status == "RUNNING":
        started.append(trial.trial_id)
    assert len(started) == max(blind, LAG)
    for unneeded in started[1:]:
        oracle.finish(unneeded, "FAILED", "no luck")
    assert oracle.create_trial("next").status == "IDLE"
    oracle.finish(started[0], "FAILED", "no luck")
    assert oracle.create_trial("next").status == "RUNNING"


def test_a_failure_is_seen_as_one_and_a_loss_by_its_sign(tmp_path: Path) -> None:
    oracle = make_oracle(tmp_path, max_epochs=9, iterations=2, **TPE)
    while (trial := oracle.create_trial("slot")).status == "RUNNING":
        oracle.report(trial.trial_id, [{"epoch": 1, "val_mean_iou": 0.25}], ("val_mean_iou",))
        oracle.finish(trial.trial_id, "FAILED" if trial.trial_id == "0001-0" else "COMPLETED")
    for objective, score in ((OBJECTIVE, 0.25), (objective_of("val_loss"), -0.25)):
        seen = Sight(oracle.schedule, objective).seen_by(oracle.schedule.configurations - 1, oracle.state)
        assert seen is not None
        first, second, *_ = seen.observations
        assert (first.epochs, first.score) == (1, score)
        assert second.score is None, "however good it was before it failed"
