from __future__ import annotations

import json
import re
import signal
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from tensorboard.backend.event_processing.plugin_event_multiplexer import EventMultiplexer

from tests.integration.program import running

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
    assert set(loaded.Runs()) == {*names, "."}
    for name in names:
        own = epochs[epochs["trial_id"].map(run_of) == name].sort_values("epoch")
        for tag, column in LINES.items():
            line = loaded.Tensors(name, tag)
            # The epochs of a promoted configuration are one line, from the first to the last.
            assert [event.step for event in line] == list(own["epoch"])
            values = [event.tensor_proto.float_val[0] for event in line]
            assert values == pytest.approx(list(own[column]), rel=1e-5)


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
