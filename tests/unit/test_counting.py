"""What `plan` says a space holds is what it holds."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from deeplab import Architecture
from hyperparameters.dimensions import SpaceError
from hyperparameters.offers import Offer
from recipe import Recipe
from space import Space

SMALL = st.fixed_dictionaries(
    {"encoder": st.lists(st.sampled_from(["ResNet50", "MobileNetV2"]), min_size=1, unique=True)},
    optional={
        "output_stride": st.lists(st.sampled_from([8, 16, 32]), min_size=1, unique=True),
        "aspp_tap": st.sampled_from([["stage4", "stage5"], ["stage5", "stage4", "stage3"], "stage5"]),
        "low_level_tap": st.sampled_from([["stage2", "stage4"], ["stage2", "stage3+stage2"]]),
        "low_level_filters": st.sampled_from([8, [0, 8], [0, 8, 16]]),
        "aspp_branches": st.sampled_from([0, 1, 2, [0, 1, 2], {"min": 1, "max": 2}]),
        "decoder_depth": st.sampled_from([0, 1, [0, 1, 2]]),
        "aspp_pooling": st.just([True, False]),
        "learning_rate": st.just({"min": 0.001, "max": 0.1}),
        "optimizer": st.just(["adam", "sgd"]),
    },
)
CONDITIONAL = {
    "aspp_rate": {"min": 1, "max": 3},
    "aspp_gap_2": [1, 4],
    "aspp_separable": [True, False],
    "decoder_filters": [8, 16],
}


def points(space: Space) -> list[dict[str, Any]]:
    """Every point of a space of few values, one after the other."""
    found: list[dict[str, Any]] = [{}]
    for offer in space.offers:
        if offer.name not in Recipe.model_fields:
            found = [point | chosen for point in found for chosen in values_at(offer, point)]
    return found


def values_at(offer: Offer, point: dict[str, Any]) -> list[dict[str, Any]]:
    return [{offer.key: value} for value in offer.dimension.values()] if offer.exists_at(point) else [{}]


@settings(max_examples=60, deadline=None)
@given(table=SMALL)
def test_the_number_of_networks_is_exact(table: dict[str, Any]) -> None:
    branches, depth = table.get("aspp_branches", 3), table.get("decoder_depth", 2)
    wanted = {
        "aspp_rate": branches != 0,
        "aspp_separable": branches != 0,
        "aspp_gap_2": branches not in (0, 1),
        "decoder_filters": depth != 0,
    }
    table = table | {name: CONDITIONAL[name] for name, is_wanted in wanted.items() if is_wanted}
    try:
        space = Space.parse(table, recipe=Recipe(), image_size=(96, 128))
    except SpaceError as error:
        reasons = ("nothing is left of the range", "cannot give output_stride", "must be shallower")
        assume(not any(reason in problem for problem in error.problems for reason in reasons))
        raise
    networks = [space.architecture(point) for point in points(space) if space.admits(point)]
    assert len(set(networks)) == len(networks) == space.count_networks()


@pytest.mark.parametrize(
    ("table", "count"),
    [
        ({}, 1),
        ({"learning_rate": {"min": 0.1, "max": 1}}, 1),
        ({"aspp_dropout": {"min": 0, "max": 0.5}, "aspp_filters": [8, 16]}, 2),
        ({"aspp_dropout": {"min": 0, "max": 0.5, "step": 0.1}}, 6),
        ({"aspp_branches": {"min": 0, "max": 5}, "aspp_rate": {"min": 1, "max": 60}}, None),
    ],
)
def test_counts(table: dict[str, Any], count: int | None) -> None:
    space = Space.parse(table, recipe=Recipe(), image_size=(512, 512))
    if count is None:
        # Rates below 32 with steps of 6 after the first: 0, 1, 2, ... of them.
        count = 1 + sum(sum(rate + 6 * more < 32 for rate in range(1, 32)) for more in range(5))
    assert space.count_networks() == count


def test_product_of_independent_choices() -> None:
    table = {"aspp_filters": [8, 16], "decoder_filters": [8, 16, 32], "normalization": ["batch", "group"]}
    space = Space.parse(table, recipe=Recipe(), image_size=(512, 512))
    built = {
        Architecture(aspp_filters=aspp, decoder_filters=decoder, normalization=norm)  # type: ignore[arg-type]
        for aspp, decoder, norm in product([8, 16], [8, 16, 32], ["batch", "group"])
    }
    assert space.count_networks() == len(built)


def test_configurations_count_training_choices_too_and_real_ranges_have_no_end() -> None:
    def space_of(table: dict[str, Any]) -> Space:
        return Space.parse(table, recipe=Recipe(), image_size=(128, 128))

    table = {"decoder_depth": [0, 1], "batch_size": [4, 8, 16]}
    assert (space_of(table).count_networks(), space_of(table).count_configurations()) == (2, 6)
    assert space_of({}).count_configurations() == 1
    assert space_of({"learning_rate": {"min": 1e-4, "max": 1e-2}}).count_configurations() is None


@pytest.mark.parametrize(
    ("table", "inside"),
    [
        ({}, True),
        ({"aspp_filters": [128, 256]}, True),
        ({"aspp_filters": [64, 128]}, False),
        ({"aspp_filters": 128}, False),
        ({"aspp_filters": {"min": 128, "max": 512, "step": 64}, "decoder_depth": {"min": 0, "max": 2}}, True),
    ],
)
def test_the_baseline_is_in_the_space_or_not(table: dict[str, Any], inside: bool) -> None:
    space = Space.parse(table, recipe=Recipe(), image_size=(128, 128))
    assert space.holds(*space.baseline()) is inside
