"""A search whose winner is confirmed, by real processes: killed while it confirms, and continued."""

from __future__ import annotations

import json
import shutil
import tomllib
from pathlib import Path
from statistics import fmean
from typing import Any

import pandas as pd
import pytest

from deeplab.scoring import scores
from search.report import write_report
from search.report.compared import comparison_of
from search.report.history import read_history
from search.report.sections import study_report
from search.report.verdict import verdict_of
from search.study.folder import Study
from search.study.ids import BASELINE
from search.trial.testing import read_test
from tests.faults.trials import epochs_of, trials_of
from tests.integration.program import Table, deeplab_search_here, running, write_study

CONFIRMED: Table = {"study": {"score": "smoothed"}, "hyperband": {"max_epochs": 2}, "confirm": {"top": 1, "seeds": 2}}


@pytest.fixture(scope="module")
def confirmed(tmp_path_factory: pytest.TempPathFactory, tiny: Table) -> Path:
    """The study folder of a search that was killed in the middle of a confirmation, and continued."""
    folder = tmp_path_factory.mktemp("confirmed")
    command = ("run", write_study(folder / "tiny.toml", tiny, **CONFIRMED), "--workers", "2")
    study = folder / "results" / "tiny"
    with running(*command, cwd=folder) as first:
        first.until(lambda: any(len(path.read_text().splitlines()) == 2 for path in epoch_files(study)))
        first.kill()
    before = {path: path.read_text() for path in epoch_files(study)}
    with running(*command, cwd=folder) as second:
        assert second.wait() == 0, second.output
        assert "continues after its last whole epoch" in second.output
    assert all(path.read_text().startswith(text) for path, text in before.items()), "no epoch was trained again"
    return study


def epoch_files(study: Path) -> list[Path]:
    return list(study.glob("trial_confirm-*/epochs.csv"))


@pytest.fixture(scope="module")
def status(confirmed: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(deeplab_search_here("status", confirmed, "--json", cwd=confirmed).out)
    return found


def test_the_best_and_the_baseline_are_trained_whole_from_two_other_seeds(confirmed: Path) -> None:
    trials = trials_of(confirmed)
    brackets = trials[trials["bracket"].notna()]
    best = str(brackets["score"].idxmax()).partition("-")[0]
    wanted = {f"confirm-{name}-{seed}" for name in (best, BASELINE) for seed in (1, 2)}
    assert {name for name in trials.index if name.startswith("confirm")} == wanted
    again = trials.loc[sorted(wanted)]
    assert (again["status"] == "completed").all()
    assert set(zip(again["first_epoch"], again["last_epoch"], strict=True)) == {(1, 2)}
    # The same networks and recipes, other weights and another order of the images.
    assert again["config_id"].nunique() == 2
    epochs = epochs_of(confirmed)["loss"].unstack("epoch")
    assert epochs.loc[[f"{best}-0", f"confirm-{best}-1", f"confirm-{best}-2"], 1].nunique() == 3


def test_a_smoothed_score_is_the_mean_over_the_last_epochs(confirmed: Path) -> None:
    trials, epochs = trials_of(confirmed), epochs_of(confirmed)
    means = epochs.groupby("trial_id")["val_mean_iou"].mean()
    pd.testing.assert_series_equal(trials["score"], means, check_names=False, rtol=1e-6)
    assert (trials["best_epoch"] == trials["last_epoch"]).all()
    for path in confirmed.glob("trial_*/best/*.weights.h5"):
        assert path.name == "epoch_0002.weights.h5"


def test_the_winner_is_named_by_the_mean_over_seeds(confirmed: Path, status: dict[str, Any]) -> None:
    trials = trials_of(confirmed)
    again = trials[trials.index.str.startswith("confirm-")]
    means = again.groupby("config_id")["score"].mean()
    result = tomllib.loads((confirmed / "best.toml").read_text())["result"]
    assert result["config_id"] == means.idxmax()
    assert result["confirmed_mean"] == pytest.approx(means.max())
    assert result["confirmed_seeds"] == 2
    own = again[again["config_id"] == means.idxmax()]
    assert result["trial_id"] == own["score"].idxmax() == status["best"]["trial_id"]
    assert status["confirmed"] == {
        "of": result["trial_id"].split("-")[1],
        "trial_id": result["trial_id"],
        "mean": pytest.approx(means.max()),
        "seeds": 2,
    }
    assert status["is_over"]
    assert (status["trials_total"], status["epochs_total"]) == (len(trials), int(epochs_of(confirmed).shape[0]))


def test_the_terminal_and_plan_say_so(confirmed: Path) -> None:
    shown = deeplab_search_here("status", confirmed, cwd=confirmed)
    assert "best, confirmed: " in shown.out
    assert "mean over 2 further seeds" in shown.out
    planned = deeplab_search_here("plan", "tiny.toml", "--no-probe", cwd=confirmed.parents[1])
    assert planned.status == 0, planned.all
    assert "2 trials of 2 configurations, the baseline and 4 confirmations, 14 epochs" in planned.out
    assert "confirm" in planned.out


def test_the_winner_is_exported_and_each_confirmation_has_a_run(confirmed: Path) -> None:
    exported = deeplab_search_here("export", confirmed, "--format", "onnx", cwd=confirmed)
    assert exported.status == 0, exported.all
    best = tomllib.loads((confirmed / "best.toml").read_text())["result"]["trial_id"]
    assert f"trial {best} " in exported.out
    runs = {path.name for path in (confirmed / "tensorboard").iterdir()}
    assert {name for name in trials_of(confirmed).index if name.startswith("confirm")} <= runs


def test_the_report_gives_the_test_split_first(confirmed: Path, tmp_path: Path) -> None:
    """One network of each seed on the split that the search never saw, of the winner and of the baseline."""
    study = Study(shutil.copytree(confirmed, tmp_path / "tiny"))
    # So small a search may be won by either; here a configuration wins.
    trials = pd.read_csv(study.trials_csv, dtype=str, keep_default_na=False)
    own = trials["trial_id"].str.match(r"confirm-\d")
    trials.loc[own, "score"] = ["0.9", "0.8"]
    trials.to_csv(study.trials_csv, index=False)
    history = read_history(study)
    (name,) = {trial_id.split("-")[1] for trial_id in trials.loc[own, "trial_id"]}
    verdict, notes = verdict_of(history)
    compared = comparison_of(history)
    assert compared is not None
    assert compared.is_unseen
    assert "on 1 test image that no search saw" in verdict
    assert any("were not chosen" in note for note in notes)
    for of, shown in ((name, compared.best), (BASELINE, compared.baseline)):
        counts = [read_test(study.trial(f"confirm-{of}-{seed}")) for seed in (1, 2)]
        found = [scores(one.matrix, history.class_names)["mean_iou"] for one in counts if one is not None]
        assert shown == pytest.approx(fmean(found))
        assert len(found) == 2
    sections = {section.name: section for section in study_report(history).sections}
    assert [row[0] for row in sections["confirmation"].tables[0].rows] == [name, BASELINE]
    assert "Trained again" in write_report(study.folder).read_text()


def test_the_test_split_is_scored_as_evaluate_does(confirmed: Path) -> None:
    best = tomllib.loads((confirmed / "best.toml").read_text())["result"]["trial_id"]
    counts, target = read_test(confirmed / f"trial_{best}"), confirmed.parent / "scores"
    assert counts is not None
    file = confirmed.parents[1] / "tiny.toml"
    evaluated = deeplab_search_here("evaluate", confirmed, file, "--to", target, cwd=confirmed)
    assert evaluated.status == 0, evaluated.all
    names = tomllib.loads((confirmed / "study.toml").read_text())["frozen"]["class_names"]
    found = json.loads((target / "scores.json").read_text())["mean_iou"]
    assert found == pytest.approx(scores(counts.matrix, names)["mean_iou"], abs=1e-6)
