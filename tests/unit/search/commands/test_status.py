"""`status` from disk: as a picture, as JSON, again and again."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path

import pandas as pd
import pytest

from benchmarks._history import History
from search.commands import status
from search.commands.status import show_json, show_status, status_values, watch_status
from search.errors import UserError
from search.results.snapshot import snapshot_from_disk
from search.study.folder import Study


@pytest.fixture
def running_study(tmp_path: Path) -> Study:
    return History(tmp_path / "part", max_epochs=9).write(12, running=2, pictures=False)


def test_json_holds_what_scripts_ask_for(running_study: Study, capsys: pytest.CaptureFixture[str]) -> None:
    show_json(running_study.folder)
    said = json.loads(capsys.readouterr().out)
    trials = pd.read_csv(running_study.trials_csv)
    done = trials[trials["status"] == "completed"]
    assert said["name"] == "part"
    assert said["trials_finished"] == len(trials) - 2
    assert said["trials_total"] > said["trials_finished"]
    assert said["best"]["score"] == done["score"].max()
    assert said["baseline"]["trial_id"] == "baseline"
    assert said["baseline"]["bracket"] is None
    assert [one["trial_id"] for one in said["running"]] == list(trials["trial_id"][trials["status"] == "running"])
    assert (said["is_over"], said["is_running"]) == (False, False)
    assert said["seconds_left"] > 0
    assert said["rungs"][0]["size"] == 9


def test_json_before_the_first_trial(tmp_path: Path) -> None:
    study = History(tmp_path / "new").write(1, running=1, pictures=False)
    study.trials_csv.unlink()
    said = status_values(study, snapshot_from_disk(study))
    assert (said["best"], said["baseline"], said["seconds_left"], said["running"]) == (None, None, None, [])
    json.dumps(said)


def test_watching_ends_with_the_search(
    running_study: Study, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(status, "PLAIN_INTERVAL", 0.02)
    watching = threading.Thread(target=watch_status, args=(running_study.folder,))
    watching.start()
    time.sleep(0.2)
    assert watching.is_alive()
    running_study.finished_file.touch()
    watching.join(60)
    assert not watching.is_alive()
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) >= 2
    assert "finished" not in lines[0]
    assert "finished" in lines[-1]
    assert "best: " in lines[-1]


def test_a_thousand_trials_are_shown_with_the_best_first(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    study = History(tmp_path / "large", iterations=14).write(pictures=False)
    show_status(study.folder)
    text = capsys.readouterr().out
    trials = pd.read_csv(study.trials_csv)
    assert len(trials) > 980
    assert f"{len(trials)}/{len(trials)} trials" in text
    assert f"{trials['score'].max():.4f}" in text
    assert text.count("failed: ") + text.count("diverged: ") > 0


@pytest.mark.parametrize("show", [show_json, show_status, watch_status])
def test_a_folder_without_a_study_is_a_mistake(show: object, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="holds no study"):
        show(tmp_path)  # type: ignore[operator]
