"""The sampler that learns: from which results, when, and what it draws by them."""

from __future__ import annotations

from collections import Counter
from typing import Any

import keras_tuner
import numpy as np
import optuna
import pytest
from hypothesis import given
from hypothesis import strategies as st

from search.oracle.learning import drawn_by_model, learning_advice
from search.oracle.points import NOTHING, Observation, Seen, Values
from search.oracle.samplers import model
from search.oracle.samplers.axes import axes_of
from search.oracle.samplers.budgets import best, enough, largest_budget
from search.oracle.samplers.mutation import mutate
from search.oracle.samplers.random import draw_values
from search.oracle.samplers.tpe import ATTEMPTS, TpeSampler
from search.oracle.schedule import make_schedule
from search.study.config import HyperbandSection


def every_kind() -> keras_tuner.HyperParameters:
    """A hyperparameter of each kind that a study file can make, and some that only KerasTuner can."""
    hp = keras_tuner.HyperParameters()
    hp.Choice("encoder", ["a", "b", "c"], default="b")
    hp.Choice("filters", [256, 64, 128], default=128)
    hp.Boolean("pooling", default=True)
    hp.Int("depth", 0, 9, step=3, default=3)
    hp.Int("width", 1, 1000, sampling="log", default=10)
    hp.Float("rate", 1e-4, 1e-1, sampling="log", default=1e-3)
    hp.Float("dropout", 0.0, 0.5, step=0.25)
    hp.Fixed("batch", 8)
    with hp.conditional_scope("encoder", ["b", "c"]):
        hp.Choice("tap", ["x", "y"])
        with hp.conditional_scope("tap", ["y"]):
            hp.Int("tap_filters", 8, 64)
    return hp


SPACE = every_kind()
ALLOWED: dict[str, Any] = {
    "encoder": {"a", "b", "c"},
    "filters": {64, 128, 256},
    "pooling": {True, False},
    "depth": {0, 3, 6, 9},
    "dropout": {0.0, 0.25, 0.5},
    "batch": {8},
    "tap": {"x", "y"},
    "width": set(range(1, 1001)),
    "tap_filters": set(range(8, 65)),
}


def lies_in_the_space(values: Values) -> bool:
    expected = ["encoder", "filters", "pooling", "depth", "width", "rate", "dropout", "batch"]
    expected += ["tap"] if values["encoder"] != "a" else []
    expected += ["tap_filters"] if values.get("tap") == "y" else []
    rest = {name: value for name, value in values.items() if name != "rate"}
    inside = all(type(value) in (str, int, float, bool) and value in ALLOWED[name] for name, value in rest.items())
    return sorted(values) == sorted(expected) and inside and 1e-4 <= values["rate"] <= 1e-1


def seen(count: int, epochs: int = 9, score: Any = lambda values: values["filters"]) -> Seen:
    points = [draw_values(SPACE, [5, number]) for number in range(count)]
    return Seen([Observation(point, epochs, score(point)) for point in points])


@given(seed=st.integers(0, 2**31), place=st.floats(0, 1))
def test_a_value_is_found_again_on_its_axis(seed: int, place: float) -> None:
    values = draw_values(SPACE, [seed])
    for axis in axes_of(SPACE):
        if axis.name in values:
            found = axis.value_at(axis.place_of(values[axis.name]))
            assert found == (pytest.approx(values[axis.name]) if axis.name == "rate" else values[axis.name])
        assert axis.name == "rate" or axis.value_at(place) in ALLOWED[axis.name]


def test_an_axis_is_in_the_order_of_its_values() -> None:
    axes = {axis.name: axis for axis in axes_of(SPACE)}
    assert axes["filters"].values == (64, 128, 256), "whatever the order in the file"
    assert [axis.name for axis in axes.values() if not axis.is_ordered] == ["encoder", "pooling", "tap"]
    assert [axis.name for axis in axes.values() if not axis.is_searched] == ["batch"]


@given(seed=st.integers(0, 2**31), of=st.integers(0, 100))
def test_a_mutation_lies_in_the_space(seed: int, of: int) -> None:
    point = draw_values(SPACE, [of])
    found = mutate(axes_of(SPACE), point, np.random.default_rng(seed))
    assert lies_in_the_space(found)


def test_a_mutation_keeps_half_of_a_point() -> None:
    point = SPACE.values | {"tap": "y", "tap_filters": 20}
    found = [mutate(axes_of(SPACE), point, np.random.default_rng(seed)) for seed in range(400)]
    kept = Counter(name for values in found for name in values if values[name] == point[name])
    assert 0.45 < kept["rate"] / 400 < 0.56
    assert 0.5 < kept["width"] / 400 < 0.65, "some steps are too small to be one"
    near = [abs(np.log10(values["rate"] / 1e-3)) for values in found if values["rate"] != 1e-3]
    assert 0.35 < np.median(near) < 0.65, "two thirds of a quarter of three decades"


@given(number=st.integers(0, 500), attempt=st.integers(0, 30), count=st.sampled_from([0, 5, 12, 30]))
def test_points_of_every_kind_of_space(number: int, attempt: int, count: int) -> None:
    assert lies_in_the_space(TpeSampler(SPACE, 3).propose(number, attempt, seen(count)))


def test_before_there_is_enough_it_draws_what_random_draws() -> None:
    sampler = TpeSampler(SPACE, 3)
    least = enough(9)  # `batch` is fixed
    for known in (NOTHING, seen(least - 1), seen(40, score=lambda _: None)):
        drawn = [sampler.propose(number, 2, known) for number in range(20)]
        assert drawn == [draw_values(SPACE, [3, number, 2]) for number in range(20)]
    learnt = [sampler.propose(number, 2, seen(least)) for number in range(20)]
    assert all(values != draw_values(SPACE, [3, number, 2]) for number, values in enumerate(learnt))
    late = [sampler.propose(number, ATTEMPTS, seen(30)) for number in range(20)]
    assert late == [draw_values(SPACE, [3, number, ATTEMPTS]) for number in range(20)]


def test_the_longest_training_with_enough_results_counts() -> None:
    one, nine, most = (
        [Observation({}, epochs, score) for score in range(count)] for epochs, count in ((1, 20), (9, 6), (81, 5))
    )
    everything = [*most, *one, *nine]
    assert largest_budget(everything, 6) == nine
    assert largest_budget(everything, 7) == one
    assert largest_budget(everything, 21) == []
    failed = [Observation({}, 27, None)] * 7 + [Observation({}, 27, 1.0)] * 6
    assert largest_budget([*everything, *failed], 6) == nine, "most have failed"
    assert largest_budget([*everything, *failed[1:]], 6) == failed[1:]
    assert best(everything) == most[-1], "of a few long trainings, the best is known already"


def test_of_the_draws_a_tenth_is_near_the_best_and_a_tenth_near_the_default() -> None:
    known = seen(60)
    places = (best(known.observations).values, SPACE.values)
    drawn = [TpeSampler(SPACE, 3).propose(number, 0, known) for number in range(1000)]
    near = [np.mean([values["rate"] == point["rate"] for values in drawn]) for point in places]
    assert all(0.03 < share < 0.07 for share in near), "a mutation keeps every second real number"
    changed = [
        values["encoder"] == SPACE.values["encoder"] for values in drawn if values["rate"] == SPACE.values["rate"]
    ]
    assert 0.5 < np.mean(changed) < 0.85, "the first is changed like any other, and keeps its value by chance as well"


def test_it_draws_where_results_are_good() -> None:
    def score(values: Values) -> float:
        return -abs(np.log10(values["rate"]) + 2) - (values["encoder"] != "c")

    drawn = [TpeSampler(SPACE, 3).propose(number, 0, seen(60, score=score)) for number in range(60)]
    random = [draw_values(SPACE, [3, number, 0]) for number in range(60)]
    assert np.mean([*map(score, drawn)]) > np.mean([*map(score, random)]) + 0.4
    worst = [TpeSampler(SPACE, 3).propose(number, 0, seen(60, score=lambda v: -score(v))) for number in range(60)]
    assert np.mean([*map(score, worst)]) < np.mean([*map(score, random)]) - 0.2


def test_failures_and_points_under_way_repel() -> None:
    hp = keras_tuner.HyperParameters()
    hp.Float("x", 0.0, 1.0)
    axes = axes_of(hp)
    rng = np.random.default_rng(0)
    good = [Observation({"x": x}, 1, -abs(x - 0.5)) for x in rng.random(20)]

    def near(observations: list[Observation], pending: list[Values], at: float) -> float:
        drawn = [model.propose(axes, observations, pending, seed)["x"] for seed in range(60)]
        return float(np.mean(np.abs(np.array(drawn) - at) < 0.05))

    around = max(good, key=lambda each: each.score or 0.0).values["x"]
    assert near(good, [], around) > 0.3
    assert near(good, [{"x": around}] * 10, around) < near(good, [], around) - 0.1
    failures = [Observation({"x": x}, 1, None) for x in (0.89, 0.9, 0.91)]
    assert near([*good, *failures], [], 0.9) < 0.05


def test_nothing_is_kept_and_nothing_is_said(capfd: pytest.CaptureFixture[str], tmp_path: Any) -> None:
    before = [*tmp_path.iterdir()]
    TpeSampler(SPACE, 0).propose(0, 0, seen(20))
    assert capfd.readouterr() == ("", "")
    assert [*tmp_path.iterdir()] == before
    assert optuna.logging.get_verbosity() == optuna.logging.WARNING


@pytest.mark.parametrize(
    ("band", "dimensions", "said"),
    [
        ({"max_epochs": 3}, 5, "would draw all 5 configurations at random: no draw sees 8 results"),
        ({"max_epochs": 27}, 5, "has little to learn from in one iteration: "),
        ({"max_epochs": 27, "iterations": 3}, 5, None),
        ({"max_epochs": 27, "iterations": 3}, 500, "no draw sees 503 results"),
    ],
)
def test_a_schedule_that_is_too_short_is_said(band: Any, dimensions: int, said: str | None) -> None:
    schedule = make_schedule(HyperbandSection(**band))
    advice = learning_advice(schedule, dimensions)
    assert advice is None if said is None else said in str(advice)
    learnt = drawn_by_model(schedule, enough(dimensions))
    assert bool(learnt) == ("at random" not in str(advice))
    assert learnt < schedule.configurations
