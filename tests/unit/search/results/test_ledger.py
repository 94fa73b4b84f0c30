"""`trials.csv` and `epochs.csv`: every trial, every epoch once, with the metrics of the best epoch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from search.oracle.study_oracle import StudyOracle
from search.results.ledger import Ledger, metrics_at_best
from search.study.columns import TRIAL_COLUMNS, epoch_columns, metric_names
from search.study.folder import Study
from search.study.ids import BASELINE
from search.system.csv_files import append_csv, read_csv, write_csv
from tests.unit.search.oracles import make_oracle

CLASSES = ("land", "water")


def epoch(trial_id: str, number: int, score: float) -> dict[str, Any]:
    metrics = dict.fromkeys(metric_names(CLASSES), 0.5) | {"val_mean_iou": score, "val_iou_water": float("nan")}
    return {"trial_id": trial_id, "config_id": "abc", "epoch": number, "learning_rate": 0.1, **metrics}


@pytest.fixture
def study(make_study: Callable[..., Study]) -> Study:
    return make_study()


@pytest.fixture
def oracle(study: Study) -> StudyOracle:
    """A baseline in flight, a trial completed after two epochs and its promotion, and one failed."""
    oracle = make_oracle(study.folder, max_epochs=3)
    oracle.create_baseline("slot", {"width": 7, "depth": 0}, "base")
    first, second, third = (oracle.create_trial(f"slot{index}") for index in range(3))
    rows = [epoch(first.trial_id, 1, 0.8), epoch(first.trial_id, 2, 0.6)]
    first.record |= {"parameters": 123, "status": "completed"}
    oracle.report(first.trial_id, rows, metric_names(CLASSES))
    oracle.finish(first.trial_id, "COMPLETED")
    second.record |= {"status": "failed", "error": 'ValueError: "bad", very\nbad'}
    for trial in (second, third):
        oracle.finish(trial.trial_id, "FAILED", "no")
    oracle.create_trial("next")
    return oracle


def test_columns() -> None:
    assert metric_names(["sky"]) == (
        *("loss", "mean_iou", "pixel_accuracy", "iou_sky"),
        *("val_loss", "val_mean_iou", "val_pixel_accuracy", "val_iou_sky"),
    )
    columns = epoch_columns(["sky"])
    assert columns[:3] == ("trial_id", "config_id", "epoch")
    assert len(set(columns)) == len(columns)
    assert len(set(TRIAL_COLUMNS)) == len(TRIAL_COLUMNS)


def test_trials_csv(study: Study, oracle: StudyOracle) -> None:
    Ledger(study, ["depth", "width", "rate"], CLASSES).rebuild_trials(oracle)
    rows = {row["trial_id"]: row for row in read_csv(study.trials_csv)}
    assert list(rows) == [BASELINE, "0000-0", "0001-0", "0002-0", "0000-1"] == oracle.start_order
    baseline, first, failed, promoted = rows[BASELINE], rows["0000-0"], rows["0001-0"], rows["0000-1"]
    assert (baseline["bracket"], baseline["rung"], baseline["hp:width"], baseline["hp:rate"]) == ("", "", "7", "")
    assert (first["score"], first["best_epoch"], first["metric:val_mean_iou"]) == ("0.8", "1", "0.8")
    assert (first["metric:val_iou_water"], first["metric:loss"], first["parameters"]) == ("", "0.5", "123")
    assert (first["first_epoch"], first["last_epoch"], first["bracket"], first["rung"]) == ("1", "1", "1", "0")
    assert (failed["score"], failed["best_epoch"], failed["status"]) == ("", "", "failed")
    assert failed["error"] == 'ValueError: "bad", very\nbad'
    assert (promoted["parent_id"], promoted["first_epoch"], promoted["last_epoch"]) == ("0000-0", "2", "3")
    assert promoted["config_id"] == first["config_id"]
    assert not any(name.startswith("hp:tuner/") for name in first)


def test_a_change_rewrites_only_what_is_not_finished(study: Study, oracle: StudyOracle) -> None:
    ledger = Ledger(study, ["depth", "width"], CLASSES)
    ledger.update_trials(oracle)
    ended = ["0000-0", "0001-0", "0002-0"]
    assert [row["trial_id"] for row in read_csv(study.trials_csv)] == [*ended, BASELINE, "0000-1"]
    # A mark in a finished row stays: the row is not written again, however many there are.
    marked = study.trials_csv.read_text().replace("failed", "FAILED")
    study.trials_csv.write_text(marked)
    oracle.trials[BASELINE].record |= {"status": "running", "worker": "cpu7"}
    ledger.update_trials(oracle)
    rows = {row["trial_id"]: row for row in read_csv(study.trials_csv)}
    assert list(rows) == [*ended, BASELINE, "0000-1"]
    assert (rows["0001-0"]["status"], rows[BASELINE]["worker"]) == ("FAILED", "cpu7")
    oracle.trials["0000-1"].record |= {"status": "failed"}
    oracle.finish("0000-1", "FAILED", "no")
    ledger.update_trials(oracle)
    assert [row["trial_id"] for row in read_csv(study.trials_csv)] == [*ended, "0000-1", BASELINE]
    ledger.rebuild_trials(oracle)
    assert [row["trial_id"] for row in read_csv(study.trials_csv)] == oracle.start_order


def test_a_file_that_has_gone_is_written_whole(study: Study, oracle: StudyOracle) -> None:
    ledger = Ledger(study, [], CLASSES)
    ledger.update_trials(oracle)
    before = study.trials_csv.read_bytes()
    study.trials_csv.unlink()
    ledger.update_trials(oracle)
    assert study.trials_csv.read_bytes() == before


def test_metrics_at_the_best_epoch(oracle: StudyOracle) -> None:
    assert metrics_at_best(oracle.trials["0000-0"])["val_mean_iou"] == 0.8
    assert metrics_at_best(oracle.trials["0001-0"]) == {}


def test_epochs_are_gathered_once(study: Study, oracle: StudyOracle) -> None:
    columns = epoch_columns(CLASSES)
    own = study.trial("0000-1") / "epochs.csv"
    write_csv(own, columns, [epoch("0000-1", 1, 0.8)])
    ledger = Ledger(study, [], CLASSES)
    ledger.rebuild_epochs(oracle)
    assert ledger.gather_epochs("0000-1") == []
    append_csv(own, columns, [epoch("0000-1", 2, 0.6)])
    with own.open("a") as file:
        file.write("0000-1,abc,3,0.")
    assert [row["epoch"] for row in ledger.gather_epochs("0000-1")] == ["2"]
    assert ledger.gather_epochs("0000-1") == []
    assert ledger.gather_epochs("0001-0") == [], "a trial that has written nothing yet"
    assert read_csv(study.epochs_csv) == read_csv(own)


def test_epochs_are_rebuilt_from_the_trials_own(study: Study, oracle: StudyOracle) -> None:
    for trial_id in ("0000-0", "0000-1"):
        write_csv(study.trial(trial_id) / "epochs.csv", epoch_columns(CLASSES), [epoch(trial_id, 1, 0.5)])
    study.epochs_csv.write_text("trial_id,epoch\n0000-0,1\n0000-0,1\n00")
    Ledger(study, [], CLASSES).rebuild_epochs(oracle)
    assert [row["trial_id"] for row in read_csv(study.epochs_csv)] == ["0000-0", "0000-1"]
