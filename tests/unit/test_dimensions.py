"""One entry of `[space]`: a value, choice or range; each mistake gives one sentence."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from deeplab import TUTORIAL
from hyperparameters.dimensions import CATALOGUE, Dimension, SpaceError, parse_dimension


def searched(name: str, given: Any) -> Dimension:
    dimension = parse_dimension(name, given, CATALOGUE[name].tutorial)
    assert isinstance(dimension, Dimension)
    return dimension


@pytest.mark.parametrize(
    ("name", "given", "message"),
    [
        ("aspp_filter", 64, "no such hyperparameter; available: encoder, output_stride, aspp_tap, "),
        ("aspp_filters", "64", "given '64'; expected a whole number."),
        ("aspp_filters", True, "given True; expected a whole number."),
        ("aspp_filters", 64.0, "given 64.0; expected a whole number."),
        ("aspp_filters", 0, "given 0; allowed: 1 to 4096."),
        ("aspp_filters", [], "given an empty list; list the values to choose from."),
        ("aspp_filters", [64, "x"], "given 'x'; expected a whole number."),
        ("aspp_filters", {"min": 9, "max": 3}, "min (=9) must not be above max (=3)."),
        ("aspp_filters", {"min": 9}, "given {'min': 9}; expected {min=, max=, step= | sampling='log'}."),
        ("aspp_filters", {"min": 1, "max": 3, "stride": 1}, "expected {min=, max=, step= | sampling='log'}."),
        ("aspp_filters", {"min": 1, "max": True}, "given True; expected a whole number."),
        ("aspp_filters", {"min": 1, "max": 9, "step": 0}, "step must be a number above 0; given 0."),
        ("aspp_filters", {"min": 1, "max": 9, "step": "2"}, "step must be a number above 0; given '2'."),
        ("aspp_filters", {"min": 1, "max": 9, "step": True}, "step must be a number above 0; given True."),
        ("aspp_filters", {"min": 1, "max": 9, "step": 1.5}, "step must be a whole number; given 1.5."),
        ("aspp_filters", {"min": 1, "max": 9, "sampling": "loog"}, "sampling must be 'linear' or 'log'; given 'loog'."),
        (
            "aspp_filters",
            {"min": 1, "max": 9, "step": 2, "sampling": "log"},
            "give either step or sampling = 'log', not both.",
        ),
        ("weight_decay", {"min": 0, "max": 0.1, "sampling": "log"}, "sampling 'log' needs min above 0; given 0.0."),
        ("weight_decay", False, "given False; expected a number."),
        ("learning_rate", float("nan"), "given nan; allowed: 1e-09 to 10."),
        ("aspp_rate", 0, "given 0; allowed: 1 to 10000."),
        ("aspp_rate", -1, "given -1; allowed: 1 to 10000."),
        ("batch_size", 0, "given 0; allowed: at least 1."),
        ("aspp_rates", [6, 12], "no such hyperparameter; rates are given by aspp_branches, aspp_rate"),
        ("aspp_dropout", {"min": 0, "max": 0.9, "step": 1e-6}, "step (=1e-06) gives 900,001 values; at most 1,000 "),
        ("encoder", "ResNet51", "given 'ResNet51'; allowed: ResNet50, "),
        ("encoder", {"min": 1, "max": 2}, "given a range; expected a value or a list of values."),
        ("output_stride", 4, "given 4; allowed: 8, 16, 32."),
        ("aspp_pooling", 1, "given 1; expected true or false."),
        ("aspp_tap", ["stage4", 5], "given 5; expected a name."),
        ("normalization", "layer", "given 'layer'; allowed: batch, group."),
    ],
)
def test_a_mistake_is_one_sentence(name: str, given: Any, message: str) -> None:
    with pytest.raises(SpaceError) as caught:
        parse_dimension(name, given, None)
    (problem,) = caught.value.problems
    assert problem.startswith(f"[space] {name}: ")
    assert message in problem


@pytest.mark.parametrize(
    ("name", "given", "value"),
    [
        ("aspp_filters", 64, 64),
        ("aspp_filters", [64, 64], 64),
        ("aspp_filters", {"min": 64, "max": 64}, 64),
        ("aspp_dropout", 0, 0.0),
        ("low_level_tap", "stage2+stage1", "stage2+stage1"),
        ("low_level_tap", [["stage2", "stage1"]], "stage2+stage1"),
    ],
)
def test_one_value_is_fixed(name: str, given: Any, value: Any) -> None:
    found = parse_dimension(name, given, None)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("name", "given", "default"),
    [
        ("aspp_filters", [64, 256], 256),
        ("aspp_filters", [64, 128], 64),
        ("aspp_filters", {"min": 64, "max": 512}, 256),
        ("aspp_filters", {"min": 64, "max": 512, "step": 64}, 256),
        ("aspp_filters", {"min": 64, "max": 512, "step": 100}, 64),
        ("aspp_filters", {"min": 300, "max": 512}, 300),
        ("learning_rate", {"min": 1e-4, "max": 1e-2, "sampling": "log"}, 1e-3),
        ("learning_rate", {"min": 1e-2, "max": 1e-1}, 1e-2),
        ("aspp_pooling", [False, True], True),
        ("encoder", ["MobileNetV2", "ResNet50"], "ResNet50"),
        ("low_level_tap", ["stage3", "stage2"], "stage3"),
    ],
)
def test_the_default_is_the_tutorials_value_where_the_range_holds_it(name: str, given: Any, default: Any) -> None:
    assert searched(name, given).default == default


def test_the_catalogue_holds_the_tutorials_values() -> None:
    for name, value in TUTORIAL.model_dump(exclude={"aspp_tap", "low_level_tap", "aspp_rates"}).items():
        assert CATALOGUE[name].tutorial == value


@example(low=1, span=10, step=1, limit=4)
@given(low=st.integers(1, 20), span=st.integers(0, 20), step=st.integers(1, 5), limit=st.integers(0, 45))
def test_below_keeps_what_is_smaller(low: int, span: int, step: int, limit: int) -> None:
    before = searched("aspp_rate", {"min": low, "max": low + span + 1, "step": step})
    after = before.below(limit)
    kept = [value for value in before.values() if value < limit]
    assert (list(after.values()) if after else []) == kept
    if after:
        assert after.default in kept
        offered = after.hyperparameter("aspp_rate")
        assert offered.default == after.default
        assert {offered.random_sample(seed) for seed in range(30)} <= set(kept)


def test_a_stepped_range_of_real_numbers_holds_both_ends() -> None:
    dropout = searched("aspp_dropout", {"min": 0, "max": 0.3, "step": 0.1})
    assert dropout.values() == (0.0, 0.1, 0.2, 0.3)
    assert {dropout.hyperparameter("aspp_dropout").random_sample(seed) for seed in range(50)} == {0.0, 0.1, 0.2, 0.3}


@pytest.mark.parametrize(
    ("name", "given", "size"),
    [
        ("aspp_filters", [64, 128], 2),
        ("aspp_filters", {"min": 1, "max": 9, "step": 4}, 3),
        ("aspp_filters", {"min": 1, "max": 9, "sampling": "log"}, 9),
        ("aspp_pooling", [True, False], 2),
        ("aspp_dropout", [0.0, 0.5], 2),
        ("aspp_dropout", {"min": 0, "max": 0.5}, None),
    ],
)
def test_size_counts_the_values(name: str, given: Any, size: int | None) -> None:
    assert searched(name, given).size == size


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ([64, 128], "64, 128"),
        ({"min": 1, "max": 9}, "1 .. 9"),
        ({"min": 1, "max": 9, "step": 2}, "1 .. 9, step 2"),
        ({"min": 1, "max": 9, "sampling": "log"}, "1 .. 9, log"),
    ],
)
def test_as_text(given: Any, text: str) -> None:
    assert str(searched("aspp_filters", given)) == text
