"""Latency as a limit: measured once, remembered for good, and what is remembered decides."""

from __future__ import annotations

import json
import math
import os
from pathlib import Path
from typing import Any

import pytest

import deeplab
from deeplab import Architecture
from search.driver.mending import mend
from search.errors import SearchStopped
from search.oracle.identity import architecture_id
from search.oracle.latency import LatencyMeter
from tests.unit.search.conftest import MakeStudy

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


DAMAGE = ["", "{", "[]", '{"70d5c601f160": "slow"}', '{"70d5c601f160": true}', '{"70d5c601f160": NaN}', "[" * 100_000]


@pytest.mark.parametrize("content", DAMAGE)
@pytest.mark.parametrize("damaged", ["latency.json", "latency.json.bak"])
def test_one_damaged_file_changes_no_decision_and_is_mended(make_study: MakeStudy, damaged: str, content: str) -> None:
    study = make_study()
    before = LatencyMeter((4, 4), 1)  # smaller than any output stride: the network does not run
    before.keep_in(study.latency_file, lambda _: None)
    assert before(SMALL) == math.inf
    whole = study.latency_file.read_bytes()
    (study.folder / damaged).write_text(content)
    again = LatencyMeter((32, 32), 1)
    again.recall(study.latency_file)
    assert again(SMALL) == math.inf, "it is not measured again"
    (line,) = mend(study)
    assert line.startswith(str(study.folder / damaged))
    assert "was damaged; " in line
    for name in ("latency.json", "latency.json.bak"):
        assert (study.folder / name).read_bytes() == whole
    assert mend(study) == []


def test_what_both_damaged_files_cost_is_said(make_study: MakeStudy) -> None:
    study = make_study()
    for name in ("latency.json", "latency.json.bak"):
        (study.folder / name).write_text("{")
    (line,) = mend(study)
    assert "latency.json and its copy are damaged; networks are measured again" in line


def test_what_a_study_has_decided_with_is_never_replaced(tmp_path: Path) -> None:
    file = tmp_path / "latency.json"
    late = LatencyMeter((4, 4), 1)
    assert late(SMALL) == math.inf  # measured before the study could be opened
    file.write_text(json.dumps({architecture_id(SMALL): 7.5}))  # by a run that was faster
    late.keep_in(file, lambda _: None)
    assert late(SMALL) == 7.5
    assert json.loads(file.read_text()) == {architecture_id(SMALL): 7.5}


def test_a_device_that_does_not_work_says_nothing_about_a_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "nvidia-smi"
    program.write_text("#!/bin/sh\necho 77\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "77")
    meter = LatencyMeter((32, 32), 1)
    meter.keep_in(tmp_path / "latency.json", lambda _: None)
    with pytest.raises(SearchStopped, match="needs measurements, and TensorFlow does not find GPU 77"):
        meter(SMALL)
    assert not (tmp_path / "latency.json").exists()


def test_a_network_that_does_not_run_does_not_fit(tmp_path: Path) -> None:
    said: list[str] = []
    meter = LatencyMeter((4, 4), 1)  # smaller than any output stride
    meter.keep_in(tmp_path / "latency.json", said.append)
    assert meter(SMALL) == math.inf
    assert "cannot be measured, and is not drawn: ValueError: image_size (=(4, 4))" in said[-1]
    assert json.loads((tmp_path / "latency.json").read_text()) == {architecture_id(SMALL): None}
