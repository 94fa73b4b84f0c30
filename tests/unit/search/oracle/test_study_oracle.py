"""The oracle: whatever order, failures and restarts, the search that Hyperband's definition gives."""

from __future__ import annotations

import json
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

import keras_tuner
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keras_tuner.oracles import HyperbandOracle

from search.oracle.configurations import MAX_MEASURED
from search.oracle.points import Rejection, Values
from search.oracle.samplers.random import draw_values
from search.oracle.study_oracle import StudyOracle
from search.oracle.trials import StudyTrial
from search.study.folder import Study
from search.study.ids import BASELINE
from tests.unit.search.oracles import (
    MEMORY,
    OBJECTIVE,
    Workers,
    config_id,
    large_space,
    make_oracle,
    new_oracle,
    points,
    score,
)


def expected_trials(workers: Workers) -> dict[str, str]:
    """Hyperband by its definition, rung after rung: trial id -> configuration."""
    oracle = workers.oracle
    drawn = oracle.preview()
    expected: dict[str, str] = {}
    for bracket in oracle.schedule.brackets:
        last = bracket.first_config + bracket.rungs[0].size
        numbers = list(range(bracket.first_config, min(last, len(drawn))))
        for rung, planned in enumerate(bracket.rungs):
            ids = {number: f"{number:04d}-{rung}" for number in sorted(numbers)}
            expected |= {trial_id: config_id(drawn[number]) for number, trial_id in ids.items()}
            survivors = [number for number, trial_id in ids.items() if not workers.fails(trial_id)]
            survivors.sort(key=lambda number: -score(oracle.trials[ids[number]]))
            above = bracket.rungs[rung + 1].size if rung + 1 < len(bracket.rungs) else 0
            assert len(ids) <= planned.size
            numbers = survivors[:above]
    return expected


@settings(max_examples=20, deadline=None)
@given(
    count=st.integers(1, 16),
    chance=st.randoms(use_true_random=False),
    failing=st.sampled_from([0.0, 0.2, 0.6, 1.0]),
    restarts=st.sampled_from([0.0, 0.3]),
    max_epochs=st.integers(1, 9),
    factor=st.integers(2, 4),
    iterations=st.integers(1, 2),
    size=st.sampled_from([1, 7, 20, 10_000]),
)
def test_any_order_failures_and_restarts_give_hyperbands_own_trials(
    count: int, chance: Random, failing: float, restarts: float, size: int, **band: int
) -> None:
    with TemporaryDirectory(dir=MEMORY) as folder:
        workers = Workers(Path(folder), count=count, failing=failing, chance=chance, space=points(size), **band)
        oracle = workers.run(restarts=restarts)
        assert {trial.trial_id: trial.record["config_id"] for trial in oracle.trials.values()} == expected_trials(
            workers
        )
        assert sorted(workers.runs) == sorted(oracle.trials), "a trial was lost or run twice"
        assert sorted(oracle.end_order) == sorted(oracle.trials)
        assert make_oracle(Path(folder), space=points(size), **band).create_trial("next").status == "STOPPED"


def test_failures_leave_the_brackets_whole(tmp_path: Path) -> None:
    oracle = Workers(tmp_path, count=4, failing=0.2, max_epochs=27).run()
    assert any(trial.status == "FAILED" for trial in oracle.trials.values())
    for bracket in oracle.schedule.brackets:
        places = [trial.place for trial in oracle.trials.values() if trial.place]
        inside = range(bracket.first_config, bracket.first_config + bracket.rungs[0].size)
        found = [sum(number in inside and at == rung for number, at in places) for rung in range(len(bracket.rungs))]
        assert found == [rung.size for rung in bracket.rungs]


def test_configurations_do_not_depend_on_workers_or_failures(tmp_path: Path) -> None:
    alone = Workers(tmp_path / "alone", max_epochs=9).run()
    many = Workers(tmp_path / "many", count=16, failing=0.5, chance=Random(3), max_epochs=9).run(restarts=0.2)
    first_rungs = [
        {t.trial_id: t.hyperparameters.values for t in oracle.trials.values() if t.trial_id.endswith("-0")}
        for oracle in (alone, many)
    ]
    assert first_rungs[0] == first_rungs[1]
    assert len({config_id(values) for values in first_rungs[0].values()}) == alone.schedule.configurations


def test_a_promotion_says_what_it_continues(tmp_path: Path) -> None:
    oracle = Workers(tmp_path).run()
    promoted = [trial for trial in oracle.trials.values() if trial.parent_id]
    assert promoted
    for trial in promoted:
        parent = oracle.trials[str(trial.parent_id)]
        before, values = parent.hyperparameters.values, trial.hyperparameters.values
        assert config_id(values) == config_id(before)
        assert trial.record["config_id"] == parent.record["config_id"]
        assert values["tuner/initial_epoch"] == before["tuner/epochs"]
        assert values["tuner/round"] == before["tuner/round"] + 1
        assert values["tuner/bracket"] == before["tuner/bracket"]


def test_seed_0_is_a_seed(tmp_path: Path) -> None:
    drawn = [make_oracle(tmp_path / str(i), seed=seed).preview() for i, seed in enumerate([0, 0, 1])]
    assert drawn[0] == drawn[1] != drawn[2]
    stock = HyperbandOracle(keras_tuner.Objective(*OBJECTIVE), seed=0)
    assert stock.seed != 0, "KerasTuner has learned it: the override can go"


def test_rejected_points_are_not_drawn_but_counted(tmp_path: Path) -> None:
    def too_wide(values: Values) -> Rejection | None:
        return Rejection("width") if values["width"] >= 1000 else None

    oracle = make_oracle(tmp_path, reject=too_wide)
    assert len(oracle.preview()) == oracle.schedule.configurations
    assert all(values["width"] < 1000 for values in oracle.preview())
    assert list(oracle.rejected) == ["width"]
    assert oracle.rejected["width"] > 3 * oracle.schedule.configurations, "nine of ten points are too wide"
    nothing = Workers(tmp_path / "nothing", reject=lambda values: Rejection("all")).run()
    assert nothing.trials == {}


def test_measuring_ends_after_many_networks(tmp_path: Path) -> None:
    measured: list[str] = []

    def slow(values: Values) -> Rejection:
        name = str(values["width"] % 500)
        measured.append(name)
        return Rejection("latency", measured=name)

    assert make_oracle(tmp_path, reject=slow).preview() == []
    assert len(set(measured)) == MAX_MEASURED < len(measured), "networks count, not points"


@pytest.mark.parametrize("size", [1, 5])
def test_a_space_that_runs_out_ends_the_search(tmp_path: Path, size: int) -> None:
    oracle = Workers(tmp_path, count=3, space=points(size)).run()
    assert len({trial.record["config_id"] for trial in oracle.trials.values()}) == size
    assert max(trial.hyperparameters.values["tuner/epochs"] for trial in oracle.trials.values()) == 9


def test_an_empty_space_with_a_baseline_draws_nothing(tmp_path: Path) -> None:
    oracle = make_oracle(tmp_path, space=points(1))
    baseline = oracle.create_baseline("slot", {}, config_id({}))
    assert (baseline.place, baseline.parent_id) == (None, None)
    assert baseline.hyperparameters.values == {"tuner/initial_epoch": 0, "tuner/epochs": 9}
    assert oracle.create_trial("other").status == "IDLE"
    oracle.report(BASELINE, [{"epoch": 9, "val_mean_iou": 0.5}], ("val_mean_iou",))
    oracle.finish(BASELINE, "COMPLETED")
    assert oracle.create_trial("other").status == "STOPPED"
    assert list(oracle.trials) == [BASELINE]
    assert not oracle.may_be_promoted(baseline)


def finished(oracle: StudyOracle, scores: list[float | None]) -> list[StudyTrial]:
    """Start one trial a score, then end them; None is a failure."""
    trials = [oracle.create_trial(f"slot{index}") for index in range(len(scores))]
    for trial, value in zip(trials, scores, strict=True):
        rows = [] if value is None else [{"epoch": 1, "val_mean_iou": value}]
        oracle.report(trial.trial_id, rows, ("val_mean_iou",))
        oracle.finish(trial.trial_id, "COMPLETED")
    return trials


def test_ranking_and_promotion_put_the_best_first(tmp_path: Path) -> None:
    oracle = make_oracle(tmp_path, max_epochs=3)  # 3 configurations, one of which is promoted, then 2
    low, none, high = finished(oracle, [0.2, None, 0.7])
    assert none.status == "FAILED", "completed without a score"
    assert list(oracle.state.completed) == [high, low]
    assert oracle.may_be_promoted(high)
    assert not oracle.may_be_promoted(low), "one is promoted, and that one has finished better"
    assert not oracle.may_be_promoted(none)
    promoted = oracle.create_trial("next")
    assert promoted.parent_id == high.trial_id
    assert not oracle.may_be_promoted(high)
    assert not oracle.may_be_promoted(low)


def test_the_score_is_the_best_epochs_and_nan_is_none(tmp_path: Path) -> None:
    oracle = make_oracle(tmp_path)
    trial = oracle.create_trial("slot")
    rows = [
        {"epoch": epoch, "val_mean_iou": value, "val_loss": loss}
        for epoch, value, loss in [(1, 0.3, 2.0), (2, 0.6, 1.0), (3, float("nan"), float("nan"))]
    ]
    oracle.report(trial.trial_id, rows, ("val_mean_iou", "val_loss"))
    oracle.finish(trial.trial_id, "COMPLETED")
    assert (trial.score, trial.best_step) == (0.6, 2)
    assert trial.metrics.get_best_value("val_loss") == 1.0


def test_trials_keep_their_order_over_a_restart(tmp_path: Path) -> None:
    oracle = make_oracle(tmp_path)
    oracle.create_baseline("slot", {"width": 1, "depth": 0}, "baseline")
    finished(oracle, [0.5, 0.1, 0.2])
    again = make_oracle(tmp_path)
    assert again.start_order == oracle.start_order
    assert [trial.trial_id for trial in again.ongoing_trials.values()] == [BASELINE]
    for trial_id, trial in oracle.trials.items():
        assert again.trials[trial_id].get_state() == trial.get_state()


def test_a_damaged_trial_is_made_again(tmp_path: Path) -> None:
    (before,) = finished(make_oracle(tmp_path), [0.5])
    path = tmp_path / "trial_0000-0" / "trial.json"
    for file in (path, path.with_name("trial.json.bak")):
        file.write_text(file.read_text()[:100])
    again = make_oracle(tmp_path).create_trial("slot")
    assert again.trial_id == "0000-0"
    assert again.hyperparameters.values == before.hyperparameters.values
    assert (path.parent / "trial.json.damaged").exists()


def test_trials_that_are_not_understood_are_told_apart_from_damaged_ones(tmp_path: Path) -> None:
    finished(make_oracle(tmp_path), [0.5, 0.4, 0.3])
    study = Study(tmp_path)
    for trial_id in ("0000-0", "0001-0"):
        path = tmp_path / f"trial_{trial_id}" / "trial.json"
        content = forged(json.loads(path.read_text()), "record/config_id", "of another version")
        for file in (path, path.with_name("trial.json.bak")):
            file.write_text(content if trial_id == "0000-0" else content[:100])
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    oracle = new_oracle()
    assert oracle.misfits(study) == ["trial_0000-0"]
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before
    lines = oracle.attach(study)
    assert [line.partition(" is ")[0] for line in lines] == [str(tmp_path / f"trial_000{n}-0") for n in (0, 1)]
    assert list(oracle.trials) == ["0002-0"]


@pytest.mark.parametrize("damaged", ["trial.json", "trial.json.bak"])
@pytest.mark.parametrize("content", ["", "{", "[]", '{"trial_id": "../other"}', "[" * 100_000])
def test_one_damaged_file_of_a_trial_costs_nothing(tmp_path: Path, damaged: str, content: str) -> None:
    before = make_oracle(tmp_path)
    finished(before, [0.5, 0.1])
    (tmp_path / "trial_0000-0" / damaged).write_text(content)
    again = make_oracle(tmp_path)
    assert {name: trial.get_state() for name, trial in again.trials.items()} == {
        name: trial.get_state() for name, trial in before.trials.items()
    }


def forged(state: dict[str, Any], key: str, value: object) -> str:
    """A trial's file in which one value, by its dotted name, is another one."""
    place = state
    *outer, last = key.split("/")
    for name in outer:
        place = place[name]
    place[last] = value
    return json.dumps(state)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("trial_id", "../../outside"),
        ("trial_id", "0001-0"),
        ("status", "DONE"),
        ("score", None),
        ("score", float("nan")),
        ("record", None),
        ("record/attempts", "many"),
        ("record/finished", "yesterday"),
        ("hyperparameters", {}),
        ("hyperparameters/values/width", 1),
        ("metrics", {"metrics": {"val_mean_iou": {"direction": "up"}}}),
    ],
)
def test_a_forged_trial_is_no_trial(tmp_path: Path, key: str, value: object) -> None:
    finished(make_oracle(tmp_path), [0.5])
    path = tmp_path / "trial_0000-0" / "trial.json"
    for file in (path, path.with_name("trial.json.bak")):
        file.write_text(forged(json.loads(file.read_text()), key, value))
    again = make_oracle(tmp_path)
    assert again.trials == {}
    assert again.create_trial("slot").trial_id == "0000-0"
    assert not list(tmp_path.parent.glob("outside*"))


def test_a_trial_that_is_too_low_to_be_promoted_is_known_at_once(tmp_path: Path) -> None:
    oracle = make_oracle(tmp_path)
    trials = finished(oracle, [0.1, 0.4, 0.3, 0.2, 0.5])  # the first 5 of 9, of which 3 go on
    assert [oracle.may_be_promoted(trial) for trial in trials] == [False, True, True, False, True]


def test_after_nothing_but_failures_all_is_tried_again(tmp_path: Path) -> None:
    oracle = make_oracle(tmp_path)
    trials = [oracle.create_trial(f"slot{index}") for index in range(3)]
    for trial in trials[:2]:
        oracle.report(trial.trial_id, [{"epoch": 1, "val_mean_iou": 0.5}], ("val_mean_iou",))
        oracle.finish(trial.trial_id, "FAILED", "no luck")
    assert oracle.has_only_failed(2)
    assert not oracle.has_only_failed(3)
    oracle.reopen(trials[:2])
    for now in (oracle, make_oracle(tmp_path)):
        assert not now.has_only_failed(1)
        assert sorted(trial.trial_id for trial in now.ongoing_trials.values()) == ["0000-0", "0001-0", "0002-0"]
        assert all(trial.score is None and "finished" not in trial.record for trial in now.trials.values())
    oracle.report("0000-0", [{"epoch": 1, "val_mean_iou": 0.5}], ("val_mean_iou",))
    oracle.finish("0000-0", "COMPLETED")
    oracle.finish("0001-0", "FAILED", "again")
    assert not oracle.has_only_failed(1), "one has completed"


def test_a_trial_of_a_stock_tuner_is_left_alone(tmp_path: Path) -> None:
    trial = keras_tuner.engine.trial.Trial(keras_tuner.HyperParameters(), trial_id="7")
    (tmp_path / "trial_7").mkdir()
    (tmp_path / "trial_7" / "trial.json").write_text(json.dumps(trial.get_state()))
    assert make_oracle(tmp_path).trials == {}


@pytest.mark.parametrize("lost", ["oracle.json", "tuner0.json"])
def test_the_trials_alone_are_enough(tmp_path: Path, lost: str) -> None:
    before = Workers(tmp_path).run()
    (tmp_path / lost).write_text("{")
    after = make_oracle(tmp_path)
    assert after.create_trial("slot").status == "STOPPED"
    assert [trial.trial_id for trial in after.state.completed] == [trial.trial_id for trial in before.state.completed]
    assert json.loads((tmp_path / lost).read_text()) is not None


def test_stock_keras_tuner_opens_the_folder(tmp_path: Path) -> None:
    ours = Workers(tmp_path / "study", count=3, failing=0.3).run()
    tuner = keras_tuner.Hyperband(
        lambda hp: None,
        keras_tuner.Objective(*OBJECTIVE),
        max_epochs=9,
        directory=tmp_path,
        project_name="study",
        overwrite=False,
    )
    theirs = tuner.oracle
    assert theirs.trials.keys() == ours.trials.keys()
    assert (theirs.start_order, theirs.end_order) == (ours.start_order, ours.end_order)
    for trial_id, trial in ours.trials.items():
        other = theirs.trials[trial_id]
        assert (other.status, other.score, other.best_step) == (trial.status, trial.score, trial.best_step)
        assert other.hyperparameters.values == trial.hyperparameters.values
    best = theirs.get_best_trials(1)[0]
    assert best.score == next(iter(ours.state.completed)).score
    assert theirs.populate_space("next")["status"] == "STOPPED"


def test_drawn_values_hold_active_hyperparameters_only() -> None:
    space = large_space()
    drawn = [draw_values(space, [0, number]) for number in range(50)]
    assert all(("rate" in values) == (values["depth"] > 0) for values in drawn)
    assert {values["depth"] for values in drawn} == {0, 1, 2}
    assert all(1e-3 <= values.get("rate", 1e-3) <= 1.0 and 1 <= values["width"] <= 10_000 for values in drawn)
    assert np.unique([values["width"] for values in drawn]).size > 40
    assert drawn[7] == draw_values(space, [0, 7])


def test_a_failure_has_decided_once_another_trial_was_promoted_after_it(tmp_path: Path) -> None:
    oracle = make_oracle(tmp_path)
    trials = finished(oracle, [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8])  # the first 8 of 9, of which 3 go on
    failed = oracle.create_trial("slot")
    assert not oracle.state.has_decided(failed)
    oracle.finish(failed.trial_id, "FAILED", "no luck")
    assert not oracle.state.has_decided(failed), "nothing was promoted since"
    promoted = oracle.create_trial("slot")
    assert promoted.place is not None
    assert promoted.place.rung == 1
    assert oracle.state.has_decided(failed)
    oracle.finish(promoted.trial_id, "FAILED", "no luck")
    assert not oracle.state.has_decided(promoted), "its own rung has promoted nothing"
    assert trials
