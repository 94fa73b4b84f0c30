"""Limits: points over them are drawn again, and a space of which nothing fits is refused with what it costs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from deeplab import cost
from search.errors import UserError
from search.oracle.factory import make_oracle, preview
from search.oracle.identity import architecture_id
from search.oracle.latency import LatencyMeter
from search.oracle.limits import LATENCY, Limits
from search.oracle.samplers.random import draw_values
from search.study.config import StudyConfig
from space import Space
from tests.unit.search.conftest import MakeConfig

SPACE: dict[str, Any] = {
    "encoder": "MobileNetV2",
    "output_stride": 8,
    "aspp_tap": "stage3",
    "aspp_branches": 0,
    "aspp_filters": [8, 16, 32, 64],
    "decoder_depth": [0, 1, 2],
    "decoder_filters": [8, 64],
}


@pytest.fixture
def config(make_config: MakeConfig) -> StudyConfig:
    return make_config(space=SPACE, hyperband={"max_epochs": 9, "baseline": False})


def limited(config: StudyConfig, meter: LatencyMeter | None = None, **limits: float) -> Limits:
    config = config.model_copy(update={"limits": config.limits.model_copy(update=limits)})
    space = Space.parse(config.ranges(), recipe=config.recipe, image_size=config.data.image_size)
    return Limits(config, space, 3, meter or LatencyMeter(config.data.image_size, 3))


def space_of(config: StudyConfig) -> Space:
    return Space.parse(config.ranges(), recipe=config.recipe, image_size=config.data.image_size)


@pytest.mark.parametrize(("limit", "what"), [("max_parameters", "parameters"), ("max_macs", "macs")])
def test_what_is_over_a_limit_is_drawn_again_and_counted(config: StudyConfig, limit: str, what: str) -> None:
    space = space_of(config)
    sizes = sorted(getattr(point.cost, what) for point in limited(config).sample(200))
    limits = limited(config, **{limit: sizes[100]})
    oracle = make_oracle(config, space, limits)
    drawn = preview(oracle, config, space)
    assert drawn
    assert all(getattr(limits.cost_of(values), what) <= sizes[100] for values in drawn)
    assert oracle.rejected.keys() == {limit}
    limits.check()


def test_nothing_fits(config: StudyConfig) -> None:
    limits = limited(config, max_parameters=1000, max_macs=1000)
    with pytest.raises(UserError) as refused:
        limits.check()
    first, parameters, macs, last = str(refused.value).splitlines()
    assert first == "[limits] almost nothing of the space fits: none of 1,000 networks drawn from it."
    smallest = cost(space_of(config).architecture({"aspp_filters": 8, "decoder_depth": 0}), (64, 64), 3)
    assert parameters == (
        f"  - max_parameters: given 1,000; the smallest found has {smallest.parameters:,} "
        "(aspp_filters=8, decoder_depth=0); 100% are over it"
    )
    assert f"max_macs: given 1,000; the smallest found has {smallest.macs:,} " in macs
    assert last == "Raise the limits, or allow smaller networks."


def test_limits_that_exclude_each_other(config: StudyConfig) -> None:
    points = limited(config).sample(200)
    fewest = min(point.cost.macs for point in points)
    assert fewest > 1000
    with pytest.raises(UserError, match=r"max_macs: .*100% are over it"):
        limited(config, max_parameters=10**9, max_macs=1000).check()


@pytest.fixture
def times(config: StudyConfig, tmp_path: Path) -> Path:
    """A record in which every network of the space takes as many milliseconds as its ASPP has filters."""
    space = space_of(config)
    points = [draw_values(space.hyperparameters(), [5, number]) for number in range(500)]
    networks = {space.architecture(values) for values in points}
    assert len(networks) == 4 * (1 + 2 * 2), "all of them"
    file = tmp_path / "latency.json"
    file.write_text(json.dumps({architecture_id(network): float(network.aspp_filters) for network in networks}))
    return file


def test_recorded_times_decide_the_draws(config: StudyConfig, times: Path) -> None:
    space = space_of(config)
    meter = LatencyMeter((64, 64), 3)
    meter.recall(times)
    limits = limited(config, meter, max_latency_ms=20)
    oracle = make_oracle(config, space, limits)
    drawn = preview(oracle, config, space)
    assert {values["aspp_filters"] for values in drawn} == {8, 16}
    assert oracle.rejected.keys() == {LATENCY}
    limits.check()
    with pytest.raises(UserError, match=r"max_latency_ms: given 7, but the smallest of 1,000 .* takes 8\.0 ms"):
        limited(config, meter, max_latency_ms=7).check()
    without = limited(config, meter, max_latency_ms=7).without_latency()
    without.check()
    anyway = preview(make_oracle(config, space, without), config, space)
    assert max(values["aspp_filters"] for values in anyway) > 16


def test_rates_beyond_the_map_are_counted_as_such(make_config: MakeConfig) -> None:
    config = make_config(
        space={"encoder": "MobileNetV2", "aspp_branches": 2, "aspp_rate": [1, 2, 3], "aspp_gap_2": [1, 2]},
        hyperband={"max_epochs": 3, "baseline": False},
    )
    space = space_of(config)
    oracle = make_oracle(config, space, limited(config))
    drawn = [(values["aspp_rate"], values["aspp_gap_2"]) for values in preview(oracle, config, space)]
    assert sorted(drawn) == [(1, 1), (1, 2), (2, 1)], "the map is 4x4"
    assert list(oracle.rejected) == ["dilation rates beyond the feature map"]
