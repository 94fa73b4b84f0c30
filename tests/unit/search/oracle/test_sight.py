"""What a draw sees: enough to learn from, and never anything that depends on timing."""

from __future__ import annotations

from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from search.oracle.points import NOTHING
from search.oracle.schedule import make_schedule
from search.oracle.sight import LAG, UNSEEN_RUNGS, Sight, is_blind, seen_results
from search.oracle.study_oracle import StudyOracle
from search.study.config import HyperbandSection
from tests.unit.search.oracles import MEMORY, OBJECTIVE, Workers, make_oracle, points

TPE: dict[str, Any] = {"sampler": "tpe"}


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


@pytest.mark.parametrize("count", [1, 2, 8])
def test_the_sequence_of_a_whole_search_is_one_whatever_the_workers(tmp_path: Path, count: int) -> None:
    search: dict[str, Any] = {**TPE, "max_epochs": 27, "iterations": 2}
    alone = Workers(tmp_path / "alone", **search).run()
    other = Workers(tmp_path / "other", count=count, chance=Random(count), **search).run(restarts=0.05)
    assert drawn(other) == drawn(alone)
    blind = Workers(tmp_path / "random", max_epochs=27, iterations=2).run()
    same = {name for name, values in drawn(blind).items() if drawn(alone).get(name) == values}
    # Those that see nothing are drawn as by random; the others are not.
    assert 10 < len([name for name in same if name.endswith("-0")]) < blind.schedule.configurations / 2


def test_a_draw_sees_earlier_brackets_and_its_own_up_to_the_lag(tmp_path: Path) -> None:
    workers = Workers(tmp_path, max_epochs=27, iterations=2, **TPE)
    oracle = workers.run()
    sight, schedule = Sight(oracle.schedule, OBJECTIVE), oracle.schedule
    for number in range(schedule.configurations):
        seen = sight.seen_by(number, oracle.state)
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


def test_a_failure_is_seen_as_one_and_a_loss_by_its_sign() -> None:
    schedule = make_schedule(HyperbandSection(max_epochs=27, baseline=False))
    assert Sight(schedule, OBJECTIVE).seen_by(0, None) == NOTHING  # type: ignore[arg-type]
