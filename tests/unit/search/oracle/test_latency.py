"""Latency as a limit: measured once, remembered for good, and what is remembered decides."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

import deeplab
from deeplab import Architecture
from search.oracle.identity import architecture_id
from search.oracle.latency import LatencyMeter

SMALL = Architecture(
    encoder="MobileNetV2",
    output_stride=8,
    aspp_tap="block_3_project_BN",
    aspp_rates=(),
    aspp_filters=4,
    decoder_depth=0,
)


def test_a_network_takes_time() -> None:
    assert 0 < deeplab.latency(SMALL, (32, 32), 1, repeats=3, warm_up=1) < 60_000


@pytest.mark.parametrize("times", [{"repeats": 0}, {"warm_up": -1}])
def test_no_passes_are_no_measurement(times: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="repeats must be 1 or more and warm_up 0 or more; given: "):
        deeplab.latency(SMALL, (32, 32), 1, **times)


def test_each_network_is_measured_once_in_a_process_beside_and_remembered(tmp_path: Path) -> None:
    file = tmp_path / "latency.json"
    said: list[str] = []
    meter = LatencyMeter((32, 32), 1)
    meter.keep_in(file, said.append)
    assert not file.exists()
    first = meter(SMALL)
    assert 0 < first < 60_000
    assert json.loads(file.read_text()) == {architecture_id(SMALL): first}
    assert meter(SMALL) == first
    assert said == [f"a network takes {first:.1f} ms for an image"]
    again = LatencyMeter((32, 32), 1)
    again.recall(file)
    assert again(SMALL) == first, "no measurement gives the same time again"


def test_what_is_remembered_decides_and_nothing_is_measured_again(tmp_path: Path) -> None:
    file = tmp_path / "latency.json"
    file.write_text(json.dumps({architecture_id(SMALL): 1e6, architecture_id(Architecture()): None}))
    said: list[Any] = []
    meter = LatencyMeter((32, 32), 1)
    meter.keep_in(file, said.append)
    assert meter(SMALL) == 1e6
    assert meter(Architecture()) == math.inf, "it did not run"
    assert said == []


def test_a_network_that_does_not_run_does_not_fit(tmp_path: Path) -> None:
    said: list[str] = []
    meter = LatencyMeter((4, 4), 1)  # smaller than any output stride
    meter.keep_in(tmp_path / "latency.json", said.append)
    assert meter(SMALL) == math.inf
    assert "cannot be measured, and is not drawn: ValueError: image_size (=(4, 4))" in said[-1]
    assert json.loads((tmp_path / "latency.json").read_text()) == {architecture_id(SMALL): None}
