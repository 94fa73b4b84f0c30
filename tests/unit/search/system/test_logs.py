"""The log: every detail in a file that does not grow without bounds, and nothing on the terminal unasked."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from search.system import logs
from search.system.logs import log_to

LOG = logging.getLogger("search.driver.loop")


def test_details_are_in_the_file_and_shown_on_request_alone(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    shown: list[str] = []
    with log_to(tmp_path / "driver.log", shown.append):
        LOG.debug("trial %s is promoted", "0003-0")
        LOG.info("trial 0003-1 starts")
    LOG.debug("after the end")
    lines = (tmp_path / "driver.log").read_text().splitlines()
    assert [line.partition("search.driver.loop: ")[2] for line in lines] == [
        "trial 0003-0 is promoted",
        "trial 0003-1 starts",
    ]
    assert shown == ["trial 0003-0 is promoted"]
    assert capfd.readouterr() == ("", "")


def test_a_second_run_appends(tmp_path: Path) -> None:
    for number in range(2):
        with log_to(tmp_path / "driver.log"):
            LOG.debug("run %d", number)
    assert len((tmp_path / "driver.log").read_text().splitlines()) == 2


def test_the_log_rotates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "MOST_BYTES", 1000)
    with log_to(tmp_path / "driver.log"):
        for number in range(200):
            LOG.debug("decision %d", number)
    files = sorted(tmp_path.iterdir())
    assert [file.name for file in files] == ["driver.log", *(f"driver.log.{number}" for number in (1, 2, 3))]
    assert all(file.stat().st_size <= 1000 for file in files)
    assert "decision 199" in files[0].read_text()
