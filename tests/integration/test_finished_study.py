from __future__ import annotations

import tomllib
from pathlib import Path

import pandas as pd
import pytest
from pandas.api import types

from deeplab import Architecture
from deeplab.metrics import scores
from search.trial.validation import read_best_epoch
from tests.faults.trials import kept_for_export
from tests.integration.program import Result, Table, deeplab_search_here, listing, running, write_study

CLASSES = ("ground", "crop", "roof", "road", "tree", "vehicle")
# (trial, parent, bracket, rung, first epoch, last epoch): what Hyperband prescribes at 3 epochs and factor 3.
SCHEDULE = {
    ("baseline", None, None, 1, 3),
    ("0000-0", 1, 0, 1, 1),
    ("0001-0", 1, 0, 1, 1),
    ("0002-0", 1, 0, 1, 1),
    ("0003-0", 0, 0, 1, 3),
    ("0004-0", 0, 0, 1, 3),
}


@pytest.fixture
def trials(study: Path) -> pd.DataFrame:
    return pd.read_csv(study / "trials.csv", index_col="trial_id")


@pytest.fixture
def epochs(study: Path) -> pd.DataFrame:
    return pd.read_csv(study / "epochs.csv")


def test_run_ends_with_the_best_the_baseline_and_what_to_do_next(finished: tuple[Path, Result]) -> None:
    said = finished[1].out
    assert "against the baseline's" in said
    assert "results/tiny/report.html" in said
    for command in ("board", "export", "predict"):
        assert f"deeplab-search {command} results/tiny" in said
    assert finished[1].err == ""


def test_decoded_images_are_gone_when_the_search_is_over(study: Path) -> None:
    assert not (study / "cache").exists()


def test_every_trial_of_the_schedule_is_there_once(trials: pd.DataFrame) -> None:
    columns = ["bracket", "rung", "first_epoch", "last_epoch"]
    promoted = trials[trials["rung"] == 1]
    rows = trials.drop(promoted.index)[columns].astype("Int64")
    assert {
        (name, *(None if value is pd.NA else value for value in row)) for name, *row in rows.itertuples()
    } == SCHEDULE
    assert len(trials) == len(SCHEDULE) + 1
    assert promoted[columns].to_numpy().tolist() == [[1, 1, 2, 3]]


def test_the_best_of_the_first_rung_is_promoted(trials: pd.DataFrame) -> None:
    (child,) = trials[trials["rung"] == 1].to_dict("records")
    first_rung = trials[(trials["bracket"] == 1) & (trials["rung"] == 0)]
    assert child["parent_id"] == first_rung["score"].idxmax()
    assert child["config_id"] == trials["config_id"].to_dict()[child["parent_id"]]
    assert trials["config_id"].nunique() == len(trials) - 1


def test_columns_of_trials_csv(trials: pd.DataFrame, tiny: Table) -> None:
    fixed = ["config_id", "parent_id", "iteration", "bracket", "rung", "status", "attempts", "score", "best_epoch"]
    fixed += ["first_epoch", "last_epoch", "started", "finished", "train_seconds", "total_seconds", "worker"]
    fixed += ["parameters", "macs", "error"]
    metrics = ["loss", "mean_iou", "pixel_accuracy", *(f"iou_{name}" for name in CLASSES)]
    searched = ["aspp_filters", "aspp_branches", "aspp_rate", "decoder_depth", "learning_rate"]
    assert list(trials.columns) == [
        *fixed,
        *(f"hp:{name}" for name in searched),
        *(f"metric:{name}" for name in metrics),
        *(f"metric:val_{name}" for name in metrics),
    ]
    for name in ("attempts", "best_epoch", "first_epoch", "last_epoch", "parameters", "macs"):
        assert types.is_integer_dtype(trials[name]), name
    for name in ("score", "train_seconds", "total_seconds", "hp:learning_rate", "metric:val_loss"):
        assert types.is_float_dtype(trials[name]), name
    assert set(trials["status"]) == {"completed"}
    assert set(trials["attempts"]) == {1}
    assert trials["error"].isna().all()
    assert (pd.to_datetime(trials["finished"]) >= pd.to_datetime(trials["started"])).all()
    assert (trials["total_seconds"] >= trials["train_seconds"]).all()
    assert (trials["score"] == trials["metric:val_mean_iou"]).all()
    assert trials["score"].between(0, 1).all()


def test_hyperparameters_of_trials_csv_are_what_the_study_searches(trials: pd.DataFrame, tiny: Table) -> None:
    drawn = trials.drop("baseline")
    for name in ("aspp_filters", "aspp_branches", "decoder_depth"):
        assert set(drawn[f"hp:{name}"]) <= set(tiny["space"][name])
    assert drawn["hp:learning_rate"].between(1e-3, 1e-2).all()
    # A dilation rate exists only where there is a branch to dilate.
    assert (drawn["hp:aspp_rate"].isna() == (drawn["hp:aspp_branches"] == 0)).all()
    tutorial = trials.loc["baseline"]
    assert (tutorial["hp:aspp_filters"], tutorial["hp:aspp_branches"], tutorial["hp:decoder_depth"]) == (256, 3, 2)


def test_epochs_csv_has_each_epoch_of_each_trial_once(trials: pd.DataFrame, epochs: pd.DataFrame) -> None:
    expected = [
        (name, epoch)
        for name, first, last in trials[["first_epoch", "last_epoch"]].itertuples()
        for epoch in range(first, last + 1)
    ]
    assert sorted(zip(epochs["trial_id"], epochs["epoch"], strict=True)) == sorted(expected)
    assert len(epochs) == 14
    assert types.is_integer_dtype(epochs["epoch"])
    numbers = epochs.drop(columns=["trial_id", "config_id"])
    assert all(types.is_numeric_dtype(dtype) for dtype in numbers.dtypes)
    assert numbers.notna().all(axis=None)
    assert (epochs[["seconds", "images_per_second", "peak_memory_mb"]] > 0).all(axis=None)


def test_epochs_count_on_and_the_rate_decays_on_across_a_promotion(trials: pd.DataFrame, epochs: pd.DataFrame) -> None:
    promoted = trials.index[trials["rung"] == 1][0]
    configuration = epochs[epochs["config_id"] == trials.loc[promoted, "config_id"]].sort_values("epoch")
    assert list(configuration["epoch"]) == [1, 2, 3]
    assert list(configuration["trial_id"]) == [trials.loc[promoted, "parent_id"], promoted, promoted]
    # DeepLab's decay over the study's 3 epochs of 3 steps, as if there had been no rung.
    start = trials.loc[promoted, "hp:learning_rate"]
    assert list(configuration["learning_rate"]) == pytest.approx([start * (1 - step / 9) ** 0.9 for step in (0, 3, 6)])


def test_scores_are_those_of_the_best_epoch(trials: pd.DataFrame, epochs: pd.DataFrame) -> None:
    for name, trial in trials.iterrows():
        own = epochs[epochs["trial_id"] == name].set_index("epoch")
        assert trial["score"] == pytest.approx(own["val_mean_iou"].max())
        assert trial["best_epoch"] == own["val_mean_iou"].idxmax()
        assert trial["metric:val_loss"] == pytest.approx(own["val_loss"].to_dict()[trial["best_epoch"]])


def test_each_trial_keeps_its_epochs_and_its_log(trials: pd.DataFrame, epochs: pd.DataFrame, study: Path) -> None:
    for name in trials.index:
        own = pd.read_csv(study / f"trial_{name}" / "epochs.csv")
        assert list(own["epoch"]) == list(epochs.loc[epochs["trial_id"] == name, "epoch"])
        assert (study / f"trial_{name}" / "log.txt").exists()


def test_checkpoints_are_kept_of_the_best_the_front_and_the_baseline_alone(trials: pd.DataFrame, study: Path) -> None:
    kept = {path.parent.parent.name.removeprefix("trial_") for path in study.glob("trial_*/best/*.weights.h5")}
    assert kept == kept_for_export(trials)
    assert not list(study.glob("trial_*/last"))


def test_study_toml_is_frozen_with_everything_resolved(study: Path, tiny: Table) -> None:
    frozen = tomllib.loads((study / "study.toml").read_text())
    assert frozen["hyperband"] == {
        **tiny["hyperband"],
        "iterations": 1,
        "min_epochs": 1,
        "sampler": "random",
        "mode": "synchronous",
        "baseline": True,
        "start": [],
    }
    assert frozen["space"] == tiny["space"]
    assert frozen["recipe"]["optimizer"] == "adamw"
    assert frozen["frozen"]["class_names"] == list(CLASSES)
    assert frozen["frozen"]["versions"]["keras"]
    assert frozen["frozen"]["data_fingerprint"]


def test_the_report_is_there_with_the_verdict_and_predictions(study: Path, trials: pd.DataFrame) -> None:
    page = (study / "report.html").read_text()
    assert len(page.encode()) < 5_000_000
    assert f"{trials['score'].max():.4f}" in page
    assert "resamplings of the 6 validation images" in page
    assert page.count('<img src="data:image/jpeg;base64,') == 6


def test_the_kept_confusion_gives_the_score(study: Path, trials: pd.DataFrame) -> None:
    best_epochs, losses, scored = (trials[name].to_dict() for name in ("best_epoch", "metric:val_loss", "score"))
    for name in ("baseline", trials["score"].idxmax()):
        best = read_best_epoch(study / f"trial_{name}" / "best", best_epochs[name])
        assert best is not None
        counts = best.validation
        assert (counts.truth.sum(axis=0) == counts.matrix.sum(axis=1)).all()
        assert (counts.predicted.sum(axis=0) == counts.matrix.sum(axis=0)).all()
        assert (counts.hits.sum(axis=0) == counts.matrix.diagonal()).all()
        assert scores(counts.matrix, CLASSES)["mean_iou"] == pytest.approx(scored[name])
        assert counts.loss == pytest.approx(losses[name])


def test_best_toml_is_an_architecture(study: Path, trials: pd.DataFrame) -> None:
    best = tomllib.loads((study / "best.toml").read_text())
    architecture = Architecture.from_toml(study / "best.toml")
    winner = trials.sort_values("score").iloc[-1]
    assert best["result"]["trial_id"] == winner.name
    assert best["result"]["val_mean_iou"] == pytest.approx(winner["score"])
    assert architecture.encoder == "MobileNetV2"
    assert architecture.aspp_filters == winner["hp:aspp_filters"]
    assert len(architecture.aspp_rates) == winner["hp:aspp_branches"]


def test_best_toml_is_the_space_of_a_new_study(study: Path, trials: pd.DataFrame, tiny: Table, tmp_path: Path) -> None:
    best = tomllib.loads((study / "best.toml").read_text())
    table = {"study": {"name": "next"}, "data": tiny["data"], "hyperband": {"max_epochs": 1}, "space": best["space"]}
    planned = deeplab_search_here("plan", write_study(tmp_path / "next.toml", table), "--no-probe", cwd=tmp_path)
    assert planned.status == 0, planned.all
    assert f"{trials.sort_values('score')['parameters'].iloc[-1] / 1e6:.2f} M" in planned.out


def test_what_a_kill_left_unwritten_is_written_by_the_next_run(study_copy: Path) -> None:
    best = study_copy / "best.toml"
    before = best.read_bytes()
    best.unlink()
    (row,) = (study_copy / "tensorboard" / "baseline").glob("*.hparams")
    row.unlink()
    again = deeplab_search_here("run", "tiny.toml", cwd=study_copy.parents[1])
    assert again.status == 0, again.all
    assert best.read_bytes() == before
    assert row.exists()


def test_fresh_moves_the_old_study_aside_and_deletes_nothing(study_copy: Path) -> None:
    folder = study_copy.parents[1]
    old = listing(study_copy)
    refused = deeplab_search_here("run", "tiny.toml", "--fresh", "--set", "space.encoder=Unknown", cwd=folder)
    assert refused.status == 2, refused.all
    assert listing(study_copy) == old
    with running("run", "tiny.toml", "--fresh", cwd=folder) as fresh:
        fresh.until(lambda: "trial baseline starts" in fresh.output)
    (aside,) = folder.glob("results/tiny.*")
    assert str(aside.relative_to(folder)) in fresh.output
    assert listing(aside).items() >= {name: state for name, state in old.items() if name != ".lock"}.items()
    assert not (study_copy / "best.toml").exists()
