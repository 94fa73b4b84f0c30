"""Tables of trained configurations: what is recorded comes back, and points stand for their nearest configurations."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.tables.nearest import Nearest, NearestSampler
from benchmarks.tables.plan import EPOCHS, IMAGES, REPEATS, Configuration, Plan, Scenes, member_seed
from benchmarks.tables.pool import missing, read_rows
from benchmarks.tables.table import FINAL_EPOCHS, SCENES, SERIES, Table, pack, read_table, write_table
from search.oracle.points import NOTHING
from search.oracle.samplers.random import RandomSampler


@pytest.fixture(scope="module")
def table() -> Table:
    return read_table()


@pytest.fixture
def plan(table: Table) -> Plan:
    empty = (np.zeros((0, 1, 1, 3)), np.zeros((0, 1, 1)))
    architecture: dict[str, Any] = {"aspp_rates": []}
    found = [Configuration(number, table.values[number], architecture, {}, 10 + number, 20) for number in range(3)]
    return Plan(found, Scenes(empty, empty, empty, ("a", "b")))


def rows_of(plan: Plan) -> dict[tuple[int, int], dict[str, Any]]:
    names = (*SERIES, "seconds")
    return {
        (each.number, seed): {
            name: list(np.random.default_rng([each.number, seed, at]).random(EPOCHS)) for at, name in enumerate(names)
        }
        for each in plan.configurations
        for seed in range(REPEATS)
    }


def test_a_table_is_read_as_it_was_written_and_equal_tables_are_equal_files(plan: Plan, tmp_path: Path) -> None:
    rows = rows_of(plan)
    packed = pack(plan, rows, "a machine")
    for name in ("one", "two"):
        write_table(packed, tmp_path / name)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
    assert (tmp_path / "one").read_bytes()[4:8] == bytes(4)  # where gzip has the time
    found = read_table(tmp_path / "one")
    for field in fields(Table):
        np.testing.assert_array_equal(getattr(found, field.name), getattr(packed, field.name))
    assert found.averaged_test[2, 1] == pytest.approx(rows[2, 1]["averaged_test"], abs=1e-4)
    assert found.parameters == [10, 11, 12]
    assert found.seconds[1, 0] == pytest.approx(sum(rows[1, 0]["seconds"]), abs=1e-2)


def test_a_recording_that_stopped_lacks_the_rest(plan: Plan, tmp_path: Path) -> None:
    rows = rows_of(plan)
    del rows[1, 1]
    whole = [json.dumps({"number": number, "repeat": seed, **row}) for (number, seed), row in rows.items()]
    # The last line was being written when the machine stopped.
    (tmp_path / "results.jsonl").write_text("\n".join([*whole, '{"number": 1, "rep']), encoding="utf-8")
    found = read_rows(tmp_path / "results.jsonl")
    assert found == {key: {"number": key[0], "repeat": key[1], **row} for key, row in rows.items()}
    assert missing(plan, found, 24) == [[(1, 1)]]
    with pytest.raises(KeyError):
        pack(plan, found, "a machine")


def test_the_recorded_table_is_whole_and_of_its_space(table: Table) -> None:
    assert SCENES.stat().st_size < 2_000_000
    assert table.val.shape == table.test.shape == (len(table.values), REPEATS, EPOCHS)
    assert all(((getattr(table, name) > 0) & (getattr(table, name) < 1)).all() for name in SERIES.values())
    space = table.hyperparameters().space
    for values in table.values:
        active = {each.name for each in space if all(condition.is_active(values) for condition in each.conditions)}
        assert values.keys() == active
    expected = table.test[:, :, EPOCHS - FINAL_EPOCHS :].mean(axis=(1, 2))
    assert table.final_test() == pytest.approx(expected)


def test_seeds_differ_between_trainings() -> None:
    seeds = [member_seed(number, seed) for number in range(100) for seed in range(REPEATS)]
    assert len(set(seeds)) == len(seeds)
    assert set(IMAGES) == {"train", "val", "test"}


def test_a_configuration_is_nearest_to_itself_and_to_its_small_changes(table: Table) -> None:
    nearest = Nearest(table)
    for number in range(0, len(table.values), 37):
        values = nearest.values_of(number)
        assert nearest.number_of(values) == nearest.order(values)[0] == number
        changed = values | {"learning_rate": values["learning_rate"] * 1.01}
        assert nearest.free(changed, ()) == number
        assert nearest.free(changed, {number}) == nearest.order(changed)[1] != number
    assert nearest.free(values, range(len(table.values))) is None


def test_a_hyperparameter_that_only_one_of_two_points_has_sets_them_apart_by_one(table: Table) -> None:
    shallow = {"aspp_filters": 32, "aspp_branches": 0, "decoder_depth": 0, "learning_rate": 1e-3, "weight_decay": 1e-3}
    deeper = shallow | {"decoder_depth": 1, "decoder_filters": 32}
    wider = shallow | {"aspp_filters": 128}
    two = replace(table, values=[each | {"augment": "none"} for each in (deeper, wider)])
    # A quarter of an axis and a hyperparameter more are further than two thirds of an axis.
    assert list(Nearest(two).order(shallow | {"augment": "none"})) == [1, 0]


def test_attempts_propose_every_configuration_once(table: Table) -> None:
    nearest = Nearest(table)
    sampler = NearestSampler(RandomSampler(table.hyperparameters(), 0), nearest)
    proposed = [nearest.number_of(sampler.propose(3, attempt, NOTHING)) for attempt in range(len(table.values))]
    assert sorted(proposed) == list(range(len(table.values)))
