"""The benchmarks run and say what they promise; at a size at which their numbers mean nothing."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks import search as search_benchmark
from benchmarks import trial_start
from benchmarks._measure import NO_GPU, device_name
from benchmarks._searches import stock_search

ROOT = Path(__file__).resolve().parents[2]


def result_of(name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    """What a benchmark prints on standard output."""
    monkeypatch.setattr(sys, "argv", [name, "--smoke"])
    importlib.import_module(f"benchmarks.{name}").main()
    printed: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert printed["benchmark"] == name
    assert printed["machine"]["cores"] >= 1
    return printed


def printed_by(name: str) -> dict[str, Any]:
    """What a benchmark prints that takes a process for itself."""
    command = [sys.executable, "-m", f"benchmarks.{name}", "--smoke"]
    printed: dict[str, Any] = json.loads(subprocess.run(command, cwd=ROOT, check=True, capture_output=True).stdout)
    return printed


def test_conv_compares_every_formulation_with_equal_results(monkeypatch, capsys) -> None:
    found = result_of("conv", monkeypatch, capsys)
    assert {row["layer"] for row in found["rows"]} == {"dense", "depthwise"}
    assert found["worst_against_best"] >= 1.0


@pytest.mark.grid
def test_step_compares_stock_and_flat_networks(monkeypatch, capsys) -> None:
    (row,) = result_of("step", monkeypatch, capsys)["rows"]
    assert all(row[f"{side}_{what}_ms"] > 0 for side in ("ours", "stock", "flat") for what in ("forward", "step"))


@pytest.mark.grid
def test_input_compares_with_decoding_in_every_epoch(monkeypatch, capsys) -> None:
    rows = result_of("input", monkeypatch, capsys)["rows"]
    assert {row["augmentation"] for row in rows} == {"none", "flip"}


@pytest.mark.grid
@pytest.mark.timeout(1800)
def test_durability_is_a_share_of_the_demo() -> None:
    found = printed_by("durability")
    assert 0 < found["percent_of_the_demo"] < 100


@pytest.mark.grid
def test_sampling_knows_costs_without_building() -> None:
    cost = {row["what"]: row["ms"] for row in printed_by("sampling")["rows"]}
    assert cost["a later cost, median"] < cost["building the network"]


def test_coverage_counts_the_intervals_that_hold_the_truth(monkeypatch, capsys) -> None:
    rows = result_of("coverage", monkeypatch, capsys)["rows"]
    assert len(rows) == 6
    assert all(0 <= row[name] <= 1 for row in rows for name in ("validation", "test", "best trial"))


def test_large_study_is_reported(monkeypatch, capsys) -> None:
    found = result_of("large_study", monkeypatch, capsys)
    assert found["trials"] == 71
    assert found["report_mb"] < 5


@pytest.mark.grid
def test_hartmann_compares_samplers_at_equal_epochs(monkeypatch, capsys) -> None:
    found = result_of("hartmann", monkeypatch, capsys)
    (row,) = found["rows"]
    assert all(row[name] >= 0 for name in ("random", "tpe", "optuna"))
    assert found["time_with_1_workers"] == pytest.approx(1.0, abs=0.1)
    assert 0 < found["draw_ms"] <= found["longest_draw_ms"]


@pytest.mark.grid
@pytest.mark.timeout(1800)
def test_scenes_compares_networks_that_differ_in_one_choice() -> None:
    found = printed_by("scenes")
    assert [row["network"] for row in found["rows"]] == ["rates 2, 4, 6; depth 2", "no dilated branch", "depth 0"]
    assert all(0 <= row["mean_iou"] <= 1 and {"gain", "iou_crop", "iou_roof"} <= row.keys() for row in found["rows"])


def test_driver_stays_flat_over_many_trials(monkeypatch, capsys) -> None:
    found = result_of("driver", monkeypatch, capsys)
    first, last = found["rows"][0]["trials"], found["rows"][-1]["trials"]
    assert last >= 20
    assert found["kb_per_trial"] * (last - first) < 20 * 1024


@pytest.mark.grid
@pytest.mark.timeout(1800)
def test_scores_compares_searches_of_equal_trials_and_epochs() -> None:
    found = printed_by("scores")
    stock, ours = found["rows"]
    assert stock["searches"] == ours["searches"] == 2
    assert (stock["trials"], stock["epochs"]) == (ours["trials"], ours["epochs"])
    assert all(0 <= row["mean"] <= 1 for row in found["rows"])
    assert found["its_standard_error"] >= 0


@pytest.mark.grid
def test_a_stock_search_and_our_trials_are_timed(tmp_path: Path) -> None:
    settings = search_benchmark.SETTINGS | search_benchmark.SMOKE | {"max_trials": 2}
    stock = stock_search({**settings, "atrous": "stock"}, tmp_path / "stock")
    assert (stock["trials"], stock["epochs"], len(stock["starts"])) == (2, 2, 1)
    assert 0 < stock["in_steps"] < stock["seconds"]
    settings |= {"space": trial_start.TINY["space"]}
    assert trial_start.our_starts(settings, tmp_path / "ours", 2)[0] > 0


def test_score_rules_are_compared_on_every_rung(monkeypatch, capsys) -> None:
    found = result_of("score_rules", monkeypatch, capsys)
    assert [row["epochs"] for row in found["rows"][::2]] == ["1-1", "2-3", "4-9", "10-27"]
    assert all(-1 <= row["low"] <= row["high"] <= 1 for row in found["rows"])
    # Trials of one epoch have one value, so that all rules agree.
    assert found["rows"][0]["best"] == found["rows"][0]["smoothed"]
    assert 0 < found["winner_best"] < 1


# keras_tuner.src.engine.oracle asks for the current thread by old names.
@pytest.mark.filterwarnings("ignore:(currentThread|getName).. is deprecated:DeprecationWarning")
def test_replay_compares_searches_of_equal_epochs(monkeypatch, capsys) -> None:
    rows = result_of("replay", monkeypatch, capsys)["rows"]
    assert len({row["side"] for row in rows}) == 6
    assert {row["epochs"] for row in rows} == {42, 125, 250, 375}
    assert all(0 <= row["lower_quartile"] <= row["median"] <= row["upper_quartile"] < 1 for row in rows)


def test_without_a_gpu_nothing_is_measured_of_it(monkeypatch, capsys) -> None:
    if device_name() != NO_GPU:
        pytest.skip("this machine has a GPU, on which the benchmark takes minutes")
    monkeypatch.setattr(sys, "argv", ["gpu"])
    importlib.import_module("benchmarks.gpu").main()
    printed = capsys.readouterr()
    assert json.loads(printed.out)["rows"] == []


def test_make_bench_runs_every_program() -> None:
    programs = [path.stem for path in (ROOT / "benchmarks").glob("[!_]*.py")]
    assert {"conv", "driver", "durability", "input", "search", "step", "trial_start"} <= set(programs)
    assert all(callable(importlib.import_module(f"benchmarks.{name}").main) for name in programs)
