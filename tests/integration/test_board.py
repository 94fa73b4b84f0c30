from __future__ import annotations

import io
import json
import re
import shutil
import signal
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from PIL import Image
from tensorboard.backend.event_processing.plugin_event_multiplexer import EventMultiplexer
from tensorboard.compat.proto import event_pb2
from tensorboard.plugins.hparams import metadata, plugin_data_pb2
from tensorboard.plugins.hparams import summary_v2 as hparams_summary

from search.system.event_files import write_events
from tests.hparams_plugin import read_table
from tests.integration.program import deeplab_search_here, running

# Tags of TensorBoard and the columns of `epochs.csv` that they show.
LINES = {"train/loss": "loss", "train/mean_iou": "mean_iou", "validation/mean_iou": "val_mean_iou"}


@pytest.fixture
def trials(study: Path) -> pd.DataFrame:
    return pd.read_csv(study / "trials.csv")


@pytest.fixture
def epochs(study: Path) -> pd.DataFrame:
    return pd.read_csv(study / "epochs.csv")


def run_of(trial: str) -> str:
    """A configuration's run carries its number, whatever the rung."""
    return trial.partition("-")[0]


def test_tensorboards_own_loader_shows_a_run_a_configuration(study: Path, epochs: pd.DataFrame) -> None:
    loaded = EventMultiplexer().AddRunsFromDirectory(str(study / "tensorboard")).Reload()
    names = {run_of(trial) for trial in epochs["trial_id"]}
    assert set(loaded.Runs()) == {*names, ".", "search"}
    for name in names:
        own = epochs[epochs["trial_id"].map(run_of) == name].sort_values("epoch")
        for tag, column in LINES.items():
            line = loaded.Tensors(name, tag)
            # The epochs of a promoted configuration are one line, from the first to the last.
            assert [event.step for event in line] == list(own["epoch"])
            values = [event.tensor_proto.float_val[0] for event in line]
            assert values == pytest.approx(list(own[column]), rel=1e-5)


def hparams_of(loaded: EventMultiplexer, run: str) -> dict[str, Any]:
    """A row of the HParams table, as TensorBoard's own loader reads it."""
    content = loaded.GetAccumulator(run).PluginTagToContent(metadata.PLUGIN_NAME)[metadata.SESSION_START_INFO_TAG]
    hparams = plugin_data_pb2.HParamsPluginData.FromString(content).session_start_info.hparams
    return {name: getattr(value, str(value.WhichOneof("kind"))) for name, value in hparams.items()}


def test_hparams_are_trials_csv_row_by_row(study: Path, trials: pd.DataFrame) -> None:
    loaded = EventMultiplexer().AddRunsFromDirectory(str(study / "tensorboard")).Reload()
    # A configuration's row is that of its last trial.
    rows = trials.sort_values("last_epoch").groupby("config_id").tail(1)
    assert len(rows) == trials["config_id"].nunique() == len(loaded.Runs()) - 2
    searched = [name for name in trials.columns if name.startswith("hp:")]
    places = {name: name for name in ("config_id", "bracket", "rung", "iteration", "parameters", "macs")}
    columns = {**{name.removeprefix("hp:"): name for name in searched}, **places, "epochs": "last_epoch"}
    fixed = {"study": "tiny", "encoder": "MobileNetV2", "batch_size": 4, "optimizer": "adamw"}
    for _, row in rows.iterrows():
        run = run_of(row["trial_id"])
        expected = {name: row[column] for name, column in columns.items() if pd.notna(row[column])}
        shown = hparams_of(loaded, run)
        assert {name: shown[name] for name in columns if name in shown} == expected, "what it lacks is absent, not zero"
        assert {name: shown[name] for name in fixed} == fixed
        metrics = {"best/val_mean_iou": "score", "best/val_loss": "metric:val_loss", "best/seconds": "total_seconds"}
        for tag, column in metrics.items():
            (event,) = loaded.Tensors(run, tag)
            assert event.step == row["best_epoch"]
            assert event.tensor_proto.float_val[0] == pytest.approx(row[column], rel=1e-6)


def test_pictures_of_the_same_images_and_the_confusion_at_the_best_epoch(study: Path, trials: pd.DataFrame) -> None:
    loaded = EventMultiplexer().AddRunsFromDirectory(str(study / "tensorboard")).Reload()
    tags = {"confusion/validation", *(f"predictions/image_{index}" for index in (0, 2, 3, 5))}
    for config, own in trials.groupby("config_id"):
        run = run_of(own["trial_id"].iloc[0])
        pictures = loaded.PluginRunToTagToContent("images")[run]
        assert set(pictures) == tags, config
        for tag in tags:
            events = loaded.Tensors(run, tag)
            assert [event.step for event in events] == sorted(own["best_epoch"])
            width, height, jpeg = events[-1].tensor_proto.string_val
            with Image.open(io.BytesIO(jpeg)) as picture:
                assert picture.size == (int(width), int(height))


def test_logs_are_small(study: Path, trials: pd.DataFrame) -> None:
    for config, own in trials.groupby("config_id"):
        folder = study / "tensorboard" / run_of(own["trial_id"].iloc[0])
        assert sum(path.stat().st_size for path in folder.iterdir()) < 2_000_000 * len(own), config


def test_the_searchs_own_curves(study: Path, trials: pd.DataFrame) -> None:
    loaded = EventMultiplexer().AddRunsFromDirectory(str(study / "tensorboard")).Reload()

    def curve(name: str) -> list[float]:
        return [event.tensor_proto.float_val[0] for event in loaded.Tensors("search", f"search/{name}")]

    best = curve("best_so_far")
    assert best == sorted(best)
    assert best[-1] == pytest.approx(trials["score"].max())
    assert curve("finished") == list(range(1, len(trials) + 1))
    assert max(curve("workers_busy")) == 2
    assert curve("workers_busy")[-1] == 0
    assert loaded.PluginRunToTagToContent("custom_scalars")["."]


@pytest.fixture
def two_studies(study_copy: Path) -> list[Path]:
    """Two studies whose paths contain what separates the folders in TensorBoard's `--logdir_spec`."""
    parent = study_copy.parents[1] / "of today, 10:30"
    parent.mkdir()
    study_copy.rename(parent / "one")
    shutil.copytree(parent / "one", parent / "two")
    return [parent / "one", parent / "two"]


def test_board_shows_every_configuration_of_two_studies_as_it_is(
    two_studies: list[Path], trials: pd.DataFrame, tmp_path: Path
) -> None:
    with running("board", *two_studies, "--port", "0", cwd=tmp_path) as board:
        board.until(lambda: re.search(r"http://\S+:\d+/", board.output))
        url = re.search(r"http://\S+:\d+/", board.output)
        assert url is not None
        configurations = trials["config_id"].nunique()
        board.until(lambda: len(session_groups(url[0])) == 2 * configurations)
        groups = session_groups(url[0])
        last = trials.sort_values("last_epoch").groupby("config_id").tail(1)
        for name in ("one", "two"):
            scores = {group["name"]: best_scores(group) for group in groups if group["name"].startswith(f"{name}/")}
            expected = {f"{name}/{run_of(row['trial_id'])}": row["score"] for _, row in last.iterrows()}
            assert scores == {run: [pytest.approx(score, rel=1e-6)] for run, score in expected.items()}
        board.process.send_signal(signal.SIGINT)
        assert board.wait() == 0, board.output


def test_rows_of_an_earlier_version_are_written_anew(study_copy: Path, tmp_path: Path) -> None:
    """They were named by their numbers, so that TensorBoard averaged those of two studies."""
    runs = list((study_copy / "tensorboard").glob("[0b]*"))
    for run in runs:
        earlier = hparams_summary.hparams_pb({"epochs": 3}, trial_id=run.name, start_time_secs=1.0)
        write_events(run, "hparams", [event_pb2.Event(wall_time=1.0, summary=earlier)])
    shutil.copytree(study_copy, tmp_path / "other" / "tiny")
    assert len(read_table(tmp_path).rows) == len(runs)
    for directory in ("results", "other"):
        again = deeplab_search_here("run", "tiny.toml", "--directory", directory, cwd=tmp_path)
        assert again.status == 0, again.all
    assert len(read_table(tmp_path).rows) == 2 * len(runs)


def fetch(url: str, **query: str) -> str:
    with urllib.request.urlopen(f"{url}?{urllib.parse.urlencode(query)}", timeout=60) as response:
        return str(response.read().decode())


def test_board_serves_the_page_the_curves_and_the_table(
    study: Path, trials: pd.DataFrame, epochs: pd.DataFrame, tmp_path: Path
) -> None:
    with running("board", study, "--port", "0", cwd=tmp_path) as board:
        board.until(lambda: re.search(r"http://\S+:\d+/", board.output))
        url = re.search(r"http://\S+:\d+/", board.output)
        assert url is not None
        base = url[0]
        assert "<title>TensorBoard</title>" in fetch(base)
        board.until(lambda: "baseline" in fetch(f"{base}data/runs"))
        board.until(lambda: len(session_groups(base)) == trials["config_id"].nunique())

        best = trials.loc[trials["score"] == trials["score"].max()].iloc[0]
        curve = json.loads(
            fetch(f"{base}data/plugin/scalars/scalars", tag="validation/mean_iou", run=run_of(best["trial_id"]))
        )
        own = epochs[epochs["config_id"] == best["config_id"]].sort_values("epoch")
        assert [step for _, step, _ in curve] == list(own["epoch"])
        assert [value for *_, value in curve] == pytest.approx(list(own["val_mean_iou"]), rel=1e-5)

        scores = {value for group in session_groups(base) for value in best_scores(group)}
        assert max(scores) == pytest.approx(best["score"], rel=1e-5)
        board.process.send_signal(signal.SIGINT)
        assert board.wait() == 0, board.output
        assert "Traceback" not in board.output


def session_groups(base: str) -> list[dict[str, Any]]:
    """Rows of the HParams table."""
    question = {"experimentName": "", "colParams": [{"metric": {"tag": "best/val_mean_iou", "group": ""}}]}
    question |= {"allowedStatuses": ["STATUS_UNKNOWN", "STATUS_SUCCESS", "STATUS_FAILURE", "STATUS_RUNNING"]}
    question |= {"startIndex": 0, "sliceSize": 100}  # type: ignore[dict-item]
    body = json.dumps(question).encode()
    url = f"{base}data/plugin/hparams/session_groups"
    request = urllib.request.Request(url, data=body, headers={"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as response:
        return list(json.loads(response.read()).get("sessionGroups", []))


def best_scores(group: dict[str, Any]) -> list[float]:
    return [value["value"] for value in group["metricValues"] if value["name"]["tag"] == "best/val_mean_iou"]
