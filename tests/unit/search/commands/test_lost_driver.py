"""What commands say and do about a driver that ended, on this machine or elsewhere, without signing off."""

from __future__ import annotations

import socket
import threading
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from benchmarks._history import History
from search.commands import status
from search.commands.doctor import check_study
from search.commands.status import show_status, watch_status
from search.study.folder import Study
from search.system.files import write_json


@pytest.fixture(params=[socket.gethostname(), "elsewhere"], ids=["here", "elsewhere"])
def abandoned(tmp_path: Path, request: pytest.FixtureRequest) -> Study:
    """A study whose driver was killed an hour ago; its process number belongs to another process now."""
    study = History(tmp_path / "part", max_epochs=9).write(12, running=2, pictures=False)
    last = (datetime.now().astimezone() - timedelta(hours=1)).isoformat(timespec="seconds")
    write_json(study.driver_file, {"process": 1, "host": request.param, "started": last, "last_sign": last})
    return study


def test_it_is_said_to_be_lost(abandoned: Study, capsys: pytest.CaptureFixture[str]) -> None:
    show_status(abandoned.folder)
    said = " ".join(capsys.readouterr().out.split())
    assert "not running now, its driver (process 1 on " in said
    assert "gave its last sign 1 h 00 min ago; continue with the command that started it" in said


def test_who_watches_is_told(
    abandoned: Study, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(status, "PLAIN_INTERVAL", 0.02)
    threading.Timer(0.5, abandoned.finished_file.touch).start()
    watch_status(abandoned.folder)
    lines = capsys.readouterr().out.splitlines()
    assert "not running now, its driver (process 1 on " in lines[1]
    assert "not running" not in lines[-1]


def test_its_study_is_mended(abandoned: Study, capsys: pytest.CaptureFixture[str]) -> None:
    whole = abandoned.config_file.read_bytes()
    abandoned.config_file.write_bytes(whole[:80])
    check_study(abandoned.folder)
    assert "was damaged; restored from its copy" in capsys.readouterr().out
    assert abandoned.config_file.read_bytes() == whole
    assert not abandoned.driver_file.exists()
