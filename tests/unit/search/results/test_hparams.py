"""The logs as TensorBoard's own readers see them."""

from __future__ import annotations

import io
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.backend.event_processing.event_multiplexer import EventMultiplexer
from tensorboard.compat.proto import event_pb2
from tensorboard.plugins.hparams import api_pb2, metadata, plugin_data_pb2
from tensorboard.plugins.hparams import summary_v2 as hparams_summary
from tensorboard.util import tensor_util

from search.results.hparams import has_named_rows, write_hparams, write_hparams_layout
from search.system.event_files import write_events
from search.trial.events import TrialEvents
from search.trial.validation import BestEpoch, Validation

Points = list[tuple[int, float]]


def row(epoch: int, **values: float) -> dict[str, Any]:
    scalars = {"loss": 1 / epoch, "val_loss": 2 / epoch, "iou_sky": 0.5, "val_iou_sky": 0.25}
    return {"trial_id": "0000-0", "config_id": "abc", "epoch": epoch, "time": 100.0 + epoch, **scalars, **values}


def scalars(folder: Path) -> dict[str, Points]:
    """Tag -> (step, value) of every point, in the order in which TensorBoard reads them."""
    events = EventAccumulator(str(folder), size_guidance={"tensors": 0})
    events.Reload()
    return {
        tag: [(event.step, float(tensor_util.make_ndarray(event.tensor_proto))) for event in events.Tensors(tag)]
        for tag in events.Tags()["tensors"]
        if tag not in (metadata.SESSION_START_INFO_TAG, metadata.SESSION_END_INFO_TAG)
    }


def near(points: list[tuple[int, float]]) -> Any:
    return [pytest.approx(point) for point in points]


def test_an_epoch_is_a_point_of_each_curve(tmp_path: Path) -> None:
    events = TrialEvents(tmp_path, "0000-0", [], 0)
    for epoch in (1, 2):
        events.add(row(epoch, seconds=7.0))
    found = scalars(tmp_path)
    tags = {"train/loss", "train/iou_sky", "validation/loss", "validation/iou_sky", "trial/seconds"}
    assert found.keys() == tags
    assert found["train/loss"] == near([(1, 1.0), (2, 0.5)])
    assert found["validation/loss"] == near([(1, 2.0), (2, 1.0)])
    assert found["validation/iou_sky"] == near([(1, 0.25), (2, 0.25)])


def test_values_that_are_not_finite_are_left_out(tmp_path: Path) -> None:
    TrialEvents(tmp_path, "0000-0", [row(1, loss=math.nan, iou_sky=math.inf), row(2)], 0)
    found = scalars(tmp_path)
    assert found["train/loss"] == near([(2, 0.5)])
    assert found["train/iou_sky"] == near([(2, 0.5)])


def test_a_promotion_continues_the_run(tmp_path: Path) -> None:
    TrialEvents(tmp_path, "0000-0", [row(1)], 0)
    promoted = TrialEvents(tmp_path, "0000-1", [row(2)], 1)
    promoted.add(row(3))
    last = TrialEvents(tmp_path, "0000-2", [], 3)
    for epoch in range(4, 12):
        last.add(row(epoch))
    expected = [(epoch, 1 / epoch) for epoch in range(1, 12)]
    assert scalars(tmp_path)["train/loss"] == near(expected)


@pytest.mark.parametrize("damage", ["torn", "ahead", "behind", "none"])
def test_the_files_are_brought_into_line_with_the_epochs(tmp_path: Path, damage: str) -> None:
    events = TrialEvents(tmp_path, "0000-0", [], 0)
    events.add(row(1))
    (path,) = tmp_path.iterdir()
    if damage != "behind":
        events.add(row(2))
    if damage == "torn":
        path.write_bytes(path.read_bytes()[:-7])
    if damage == "ahead":
        events.add(row(3))
    before = path.stat()
    again = TrialEvents(tmp_path, "0000-0", [row(1), row(2)], 0)
    if damage == "none":
        assert path.stat().st_ino == before.st_ino, "a file that is right stays, for a TensorBoard that reads it"
    again.add(row(3))
    for split, first in (("train", 1), ("validation", 2)):
        assert scalars(tmp_path)[f"{split}/loss"] == near([(epoch, first / epoch) for epoch in (1, 2, 3)])


def test_pictures_are_those_of_the_best_epoch_alone(tmp_path: Path) -> None:
    events = TrialEvents(tmp_path, "0000-0", [row(1), row(2)], 0)
    counts = np.ones((1, 2), np.int64)
    for epoch in (1, 2):
        picture = io.BytesIO()
        Image.new("RGB", (8 * epoch, 8)).save(picture, "JPEG")
        validation = Validation(0.5, np.eye(2, dtype=np.int64) * epoch, counts, counts, counts)
        events.show_best(BestEpoch(validation, {0: picture.getvalue()}), epoch, 100.0 + epoch, ["sky", "road"])
    seen = EventAccumulator(str(tmp_path), size_guidance={"tensors": 0})
    seen.Reload()
    for tag in ("predictions/image_0", "confusion/validation"):
        assert [event.step for event in seen.Tensors(tag)] == [2]
    (shown,) = seen.Tensors("predictions/image_0")
    assert tensor_util.make_ndarray(shown.tensor_proto)[0] == b"16"


def plugin_content(run: Path, tag: str) -> plugin_data_pb2.HParamsPluginData:
    events = EventAccumulator(str(run))
    events.Reload()
    return plugin_data_pb2.HParamsPluginData.FromString(events.PluginTagToContent(metadata.PLUGIN_NAME)[tag])


def test_a_row_of_the_hparams_table(tmp_path: Path) -> None:
    hparams = {"encoder": "ResNet50", "aspp_filters": 64, "aspp_pooling": True, "bracket": None, "rung": 2}
    for step, score in ((2, 0.4), (5, 0.6)):
        write_hparams(tmp_path, hparams, {"best/val_mean_iou": score}, step, 200.0)
    start = plugin_content(tmp_path, metadata.SESSION_START_INFO_TAG).session_start_info
    found = {name: getattr(value, str(value.WhichOneof("kind"))) for name, value in start.hparams.items()}
    assert found == {"encoder": "ResNet50", "aspp_filters": 64.0, "aspp_pooling": True, "rung": 2.0}
    assert scalars(tmp_path)["best/val_mean_iou"] == near([(5, 0.6)]), "the last row replaces the one before"


def test_rows_with_names_of_their_own_are_of_an_earlier_version(tmp_path: Path) -> None:
    assert not has_named_rows(tmp_path)
    write_hparams(tmp_path / "0000", {"rung": 0}, {}, 1, 1.0)
    assert not has_named_rows(tmp_path)
    earlier = hparams_summary.hparams_pb({"rung": 0}, trial_id="0000", start_time_secs=1.0)
    write_events(tmp_path / "0000", "hparams", [event_pb2.Event(wall_time=1.0, summary=earlier)])
    assert has_named_rows(tmp_path)


def test_columns_of_the_hparams_table(tmp_path: Path) -> None:
    write_hparams_layout(tmp_path, {"encoder": ["ResNet50", "MobileNetV2"], "rung": []}, ["best/val_mean_iou"])
    experiment = plugin_content(tmp_path, metadata.EXPERIMENT_TAG).experiment
    columns = {info.name: (sorted(info.domain_discrete), info.type) for info in experiment.hparam_infos}
    assert columns == {
        "encoder": (["MobileNetV2", "ResNet50"], api_pb2.DATA_TYPE_STRING),
        "rung": ([], api_pb2.DATA_TYPE_FLOAT64),
    }
    assert [info.name.tag for info in experiment.metric_infos] == ["best/val_mean_iou"]


def test_runs_of_a_study_are_its_configurations(tmp_path: Path) -> None:
    for run in ("0000", "0001", "baseline"):
        TrialEvents(tmp_path / run, f"{run}-0", [row(1)], 0)
        write_hparams(tmp_path / run, {"rung": 0}, {"best/val_mean_iou": 0.5}, 1, 1.0)
    multiplexer = EventMultiplexer()
    multiplexer.AddRunsFromDirectory(str(tmp_path))
    multiplexer.Reload()
    assert set(multiplexer.Runs()) == {"0000", "0001", "baseline"}
