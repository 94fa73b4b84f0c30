"""The HParams table of several studies in one TensorBoard, as its plugin answers."""

from __future__ import annotations

from pathlib import Path

from search.results.hparams import write_hparams
from search.results.hparams_table import write_table_layout
from tests.hparams_plugin import read_table

CLASSES = ("sky", "road")


def write_logs(parent: Path, name: str, objective: str, **hparams: float | str) -> None:
    """The logs of a study of two configurations, which scored 0.1 and 0.2."""
    folder = parent / name / "tensorboard"
    write_table_layout(folder, [objective], CLASSES, hparams)
    for run, score in (("0000", 0.1), ("baseline", 0.2)):
        values = {"study": name, "epochs": 3, **hparams}
        write_hparams(folder / run, values, {f"best/{objective}": score}, 1, 1.0)


def test_configurations_of_two_studies_are_rows_of_their_own(tmp_path: Path) -> None:
    write_logs(tmp_path, "one", "val_mean_iou", aspp_filters=8)
    write_logs(tmp_path, "two", "val_iou_road", encoder="MobileNetV2", weight_decay=0.1)
    table = read_table(tmp_path)
    shown = [
        (row["study"], round(row.get("best/val_mean_iou", 0), 6), round(row.get("best/val_iou_road", 0), 6))
        for row in table.rows.values()
    ]
    assert sorted(shown) == [("one", 0.1, 0), ("one", 0.2, 0), ("two", 0, 0.1), ("two", 0, 0.2)]
    assert {"aspp_filters", "encoder", "weight_decay"} <= set(table.columns), "the columns of both"
    assert {"best/val_mean_iou", "best/val_iou_road"} <= set(table.metrics)


def test_a_copy_of_a_study_has_rows_of_its_own(tmp_path: Path) -> None:
    for place in ("here", "there"):
        write_logs(tmp_path / place, "one", "val_mean_iou", aspp_filters=8)
    assert len(read_table(tmp_path).rows) == 4


def test_what_tensorboard_selects_tells_studies_and_epochs_apart(tmp_path: Path) -> None:
    """TensorBoard selects the first five hyperparameters and the first five metrics."""
    write_logs(tmp_path, "one", "val_iou_road", weight_decay=0.1, learning_rate=0.1, encoder="MobileNetV2")
    table = read_table(tmp_path)
    assert set(table.columns[:5]) == {"epochs", "study", "parameters", "encoder", "learning_rate"}
    assert table.metrics[:3] == ["best/val_iou_road", "best/val_mean_iou", "best/val_loss"]


def test_a_row_that_is_right_stays(tmp_path: Path) -> None:
    for _ in range(2):
        write_logs(tmp_path, "one", "val_mean_iou", aspp_filters=8, encoder="MobileNetV2", augment="flip")
        files = {path: path.stat().st_ino for path in tmp_path.rglob("events*")}
    write_logs(tmp_path, "one", "val_mean_iou", aspp_filters=8, encoder="MobileNetV2", augment="flip")
    assert {path: path.stat().st_ino for path in tmp_path.rglob("events*")} == files
