"""The report: its verdict, what stands in it at every stage of a search, and that it is one safe page."""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from benchmarks._history import History
from search.errors import UserError
from search.report import write_comparison, write_report
from search.report.compared import comparison_of
from search.report.figures import SERIES, best_so_far
from search.report.gain import Gain, resampled_gain
from search.report.history import read_history
from search.report.importance import Compared
from search.report.parts import Report, cell
from search.report.sections import study_report
from search.report.verdict import DOUBT, verdict_of
from search.study.folder import Study
from search.trial.validation import Validation

SECTIONS = (
    *("course", "resolution", "costs", "hyperparameters", "slices", "network", "predictions", "classes", "trials"),
    "failures",
)
MOST_BYTES = 5_000_000


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    return History(tmp_path_factory.mktemp("report") / "whole").write()


@pytest.fixture(scope="module")
def report(study: Study) -> Report:
    return study_report(read_history(study))


@pytest.fixture(scope="module")
def page(study: Study) -> str:
    return write_report(study.folder).read_text()


def test_it_has_every_section_in_order(report: Report) -> None:
    assert [section.name for section in report.sections] == [*SECTIONS, "reproduce"]
    plots = [plot.name for section in report.sections for plot in section.plots]
    assert plots[:5] == ["best-so-far", "learning-curves", "brackets", "pareto-macs", "pareto-parameters"]
    assert {"importances", "parallel", "classes"} <= set(plots)
    slices = [name.removeprefix("slice-") for name in plots if name.startswith("slice-")]
    assert slices[:4] == ["aspp_branches", "aspp_rate", "aspp_gap_2", "decoder_depth"]
    assert len(slices) == 9


def test_each_plot_has_words_and_numbers(report: Report) -> None:
    for plot in (plot for section in report.sections for plot in section.plots):
        assert plot.summary.endswith("."), plot.name
        assert plot.table.rows, plot.name
        assert all(len(row) == len(plot.table.columns) for row in plot.table.rows), plot.name


def test_the_verdict_says_the_gain_and_how_sure_it_is(study: Study, report: Report) -> None:
    trials = pd.read_csv(study.trials_csv)
    best, baseline = trials["score"].max(), trials["score"].iloc[0]
    assert f"{best:.4f}" in report.verdict
    assert f"{best - baseline:+.4f} (95 % interval " in report.verdict
    assert any("resamplings of the 32 validation images" in note for note in report.notes)
    assert any("chosen by this very score" in note for note in report.notes)


def test_numbers_of_the_plots_are_those_of_the_study(study: Study, report: Report) -> None:
    trials = pd.read_csv(study.trials_csv)
    plots = {plot.name: plot for section in report.sections for plot in section.plots}
    assert plots["best-so-far"].table.rows[-1][-1] == cell(float(trials["score"].max()))
    outcomes = plots["brackets"].summary
    assert f"{trials['parent_id'].notna().sum()} promoted" in outcomes
    assert f"{(trials['status'] != 'completed').sum()} failed" in outcomes
    front = plots["pareto-macs"].table.rows
    done = trials[trials["status"] == "completed"]
    for trial, _, _ in front:
        row = done[done["trial_id"] == trial].iloc[0]
        assert not ((done["macs"] <= row["macs"]) & (done["score"] > row["score"])).any(), (
            "nobody is cheaper and better"
        )


@pytest.mark.parametrize(("longer", "unit", "length"), [(0.0, "minutes", 60), (1e5, "hours", 3600)])
def test_time_is_shown_in_minutes_until_it_takes_hours(study: Study, longer: float, unit: str, length: int) -> None:
    history = read_history(study)
    ended = history.completed
    ended.loc[ended.index[-1], "finished"] = ended["finished"].max() + pd.Timedelta(seconds=longer)
    plot = best_so_far([history])
    assert plot is not None
    passed = ended["finished"].max() - history.trials["started"].min()
    assert plot.figure.layout.xaxis.title.text == f"{unit} since the first start"
    assert plot.figure.data[0].x[-1] == pytest.approx(passed.total_seconds() / length)


def test_a_study_keeps_its_colour_beside_one_without_results(study: Study) -> None:
    empty, whole = read_history(study), read_history(study)
    empty.__dict__["completed"] = whole.completed.iloc[:0]
    plot = best_so_far([empty, whole])
    assert plot is not None
    assert {trace.name for trace in plot.figure.data} == {f"{whole.name}: trials", f"{whole.name}: best so far"}
    assert plot.figure.data[0].marker.color == SERIES[1]


def test_curves_of_a_promoted_configuration_are_joined(study: Study, report: Report) -> None:
    plots = {plot.name: plot for section in report.sections for plot in section.plots}
    rungs = [trace for trace in plots["learning-curves"].figure.data if trace.name.startswith("rung")]
    promoted = np.asarray(rungs[1].x, float)
    begins = promoted[np.flatnonzero(np.isnan(np.concatenate([[np.nan], promoted[:-1]])))]
    # The first epochs of rung 1 are 2, 4 and 10; each line begins one before, where its parent ended.
    assert set(begins) <= {1.0, 3.0, 9.0}


def test_it_is_one_page_that_fetches_nothing(page: str) -> None:
    assert len(page.encode()) < MOST_BYTES
    without_library = re.sub(r'id="library">[^<]*<', "<", page)
    assert not re.search(r"""(?:src|href)=["'](?!data:|\#)""", without_library)
    assert "default-src 'none'" in page


def test_every_text_is_escaped(page: str) -> None:
    assert "<script>alert" not in page
    assert html.escape("<script>alert('not escaped')</script>", quote=False).replace("'", "&#39;") in page
    figures = re.search(r'id="figures">(.*?)</script>', page, re.DOTALL)
    assert figures is not None
    assert "<" not in figures[1]
    assert len(json.loads(figures[1])) == page.count("data-figure=")


@pytest.mark.parametrize(("trials", "running"), [(0, 0), (1, 1), (1, 0), (2, 1), (3, 0), (5, 2), (12, 3), (40, 4)])
def test_it_works_at_every_stage_of_a_search(tmp_path: Path, trials: int, running: int) -> None:
    study = History(tmp_path / "part").write(max(trials, 1), running=running, pictures=False)
    if not trials:
        study.trials_csv.unlink()
        study.epochs_csv.unlink()
        study.best_file.unlink(missing_ok=True)
    report = study_report(read_history(study))
    assert any("The search is not over" in note for note in report.notes)
    text = write_report(study.folder).read_text()
    assert "Verdict" in text
    assert ("No trial has completed yet" in text) == (trials - running <= 0)


def test_a_thousand_trials_fit(tmp_path: Path) -> None:
    study = History(tmp_path / "large", iterations=14).write()
    report = write_report(study.folder)
    assert report.stat().st_size < MOST_BYTES
    text = report.read_text()
    assert "981 of 981" in text
    assert "more in the CSV files" in text


def test_a_study_of_failures_alone(tmp_path: Path) -> None:
    study = History(tmp_path / "part").write(6, pictures=False)
    rows = pd.read_csv(study.trials_csv, dtype=str)
    rows = rows.assign(status="failed", score="", best_epoch="", error="ValueError: no")
    rows.to_csv(study.trials_csv, index=False)
    report = study_report(read_history(study))
    assert report.verdict == "No trial has completed yet."
    assert len(next(section for section in report.sections if section.name == "failures").tables[0].rows) == 6


def test_configurations_are_compared_at_equal_epochs(study: Study) -> None:
    history = read_history(study)
    compared = Compared(history)
    epochs = pd.read_csv(study.epochs_csv)
    trained = epochs[epochs["trial_id"] != "baseline"].groupby("config_id")["epoch"].max()
    assert "baseline" not in set(history.configurations["trial_id"])
    assert compared.epochs == sorted(trained, reverse=True)[(len(trained) - 1) // 2]
    assert len(compared.rows) == (trained >= compared.epochs).sum()
    for config, score in compared.rows["compared"].items():
        own = epochs[(epochs["config_id"] == config) & (epochs["epoch"] <= compared.epochs)]
        assert score == own["val_mean_iou"].max()
    # A hyperparameter that a configuration does not have is absent, not zero.
    assert any("aspp_rate" not in trial.params for trial in compared.study.trials)
    assert all(trial.params["aspp_branches"] > 0 for trial in compared.study.trials if "aspp_rate" in trial.params)


def validation(hits: Any, truth: Any, predicted: Any) -> Validation:
    arrays = [np.asarray(one, np.int64) for one in (hits, truth, predicted)]
    return Validation(0.0, np.zeros((2, 2), np.int64), *arrays)


def test_the_interval_of_the_gain_is_that_of_resampled_images() -> None:
    images = 400
    rng = np.random.default_rng(1)
    truth = np.full((images, 2), 100)
    wrong = rng.integers(0, 20, images)
    best = validation(np.stack([100 - wrong, 100 - wrong], 1), truth, truth)
    worse = validation(best.hits - 5, truth, truth)
    same = resampled_gain(best, best, "val_mean_iou", ["a", "b"])
    assert same == (0.0, 0.0), "paired: the same images for both"
    found = resampled_gain(best, worse, "val_pixel_accuracy", ["a", "b"])
    assert found == pytest.approx((0.05, 0.05)), "each image is worse by the same"
    independent = validation(rng.permutation(best.hits), truth, truth)
    interval = resampled_gain(best, independent, "val_pixel_accuracy", ["a", "b"])
    assert interval is not None
    spread = np.std(best.hits.sum(1) / 200) * np.sqrt(2 / images)
    assert interval[0] < 0 < interval[1]
    assert interval[1] - interval[0] == pytest.approx(2 * 1.96 * spread, rel=0.15)
    assert resampled_gain(best, worse, "val_iou_b", ["a", "b"]) is not None
    assert resampled_gain(best, worse, "val_loss", ["a", "b"]) is None
    one = validation(best.hits[:1], truth[:1], truth[:1])
    assert resampled_gain(one, one, "val_mean_iou", ["a", "b"]) is None


def test_without_the_images_results_the_epochs_spread_stands_in(study: Study, tmp_path: Path) -> None:
    shutil.copytree(study.folder, tmp_path / "moved")
    shutil.rmtree(tmp_path / "moved" / "trial_baseline")
    compared = comparison_of(read_history(Study(tmp_path / "moved")))
    assert compared is not None
    gain = compared.gain
    assert gain.low is not None
    assert gain.high is not None
    assert gain.low < gain.value < gain.high
    assert "last 3 epochs" in gain.method
    assert gain.high - gain.value == pytest.approx(1.96 * 0.004 * 2**0.5, rel=1.5), "the noise of the made-up history"


def test_a_gain_that_may_be_chance_says_so() -> None:
    assert Gain(0.01, -0.01, 0.03, "").is_sure is False
    assert str(Gain(0.01, None, None, "")) == "+0.0100"
    assert Gain(0.01, 0.005, 0.03, "").is_sure


def test_the_verdict_says_where_the_gain_may_be_chance(study: Study, tmp_path: Path) -> None:
    assert DOUBT not in verdict_of(read_history(study))[1]
    moved = Study(shutil.copytree(study.folder, tmp_path / "moved", ignore=shutil.ignore_patterns("trial_*")))
    epochs = pd.read_csv(moved.epochs_csv, dtype={"trial_id": str, "config_id": str})
    restless = epochs.index[epochs["trial_id"] == "baseline"][-3:]
    epochs.loc[restless, "val_mean_iou"] = [0.1, 0.9, 0.5]
    epochs.to_csv(moved.epochs_csv, index=False)
    assert DOUBT in verdict_of(read_history(moved))[1]


def test_where_the_baseline_is_the_best_the_verdict_says_so(tmp_path: Path) -> None:
    study = History(tmp_path / "part").write(3, pictures=False)
    assert verdict_of(read_history(study))[0].startswith("No configuration is better than the tutorial's baseline")


def test_a_comparison_holds_every_study(study: Study, tmp_path: Path) -> None:
    other = History(tmp_path / "other", max_epochs=9, seed=3).write(pictures=False)
    path = write_comparison([study.folder, other.folder], tmp_path / "both.html")
    text = path.read_text()
    assert "Comparison: whole, other" in text
    assert len(text.encode()) < MOST_BYTES
    for name in ("whole", "other"):
        assert f"The best network of {name}" in text


def test_a_folder_without_a_study_is_a_mistake(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="holds no study"):
        write_report(tmp_path)
    assert list(tmp_path.iterdir()) == []


CELLS: list[tuple[Any, str]] = [
    *((nothing, "") for nothing in (None, pd.NA, float("nan"))),
    *((True, "yes"), (np.False_, "no"), (12345, "12,345"), (np.int64(7), "7"), ("a", "a")),
    *((0.51234, "0.5123"), (0.00012345, "0.000123"), (0.0, "0")),
]


@pytest.mark.parametrize(("value", "text"), CELLS)
def test_cells(value: Any, text: str) -> None:
    assert cell(value) == text


GROWING = """
import sys
from pathlib import Path
from search.report import write_report
folder, better = Path(sys.argv[1]), sys.argv[2]
opened = 0
def add_the_best_before_a_second_look(event, arguments):
    global opened
    if event == "open" and str(arguments[0]) == str(folder / "trials.csv"):
        opened += 1
        if opened == 2:
            with open(folder / "trials.csv", "a") as file:
                file.write(better)
sys.addaudithook(add_the_best_before_a_second_look)
write_report(folder)
"""


def test_a_trial_that_ends_while_the_report_is_written_does_no_harm(tmp_path: Path) -> None:
    folder = History(tmp_path / "growing").write(5, pictures=False).folder
    lines = (folder / "trials.csv").read_text().splitlines()
    header, last = lines[0].split(","), lines[-1].split(",")
    changed = {"trial_id": "0099-0", "config_id": "new", "status": "completed", "score": "0.99"}
    better = ",".join(changed.get(name, cell) for name, cell in zip(header, last, strict=True)) + "\n"
    command = [sys.executable, "-c", GROWING, str(folder), better]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (folder / "report.html").exists()
