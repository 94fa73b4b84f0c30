"""The user's own command at the end of a search: it is run, and cannot break anything."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console

from search.driver import ending
from search.driver.ending import command_note, end_search, run_command
from search.study.config import StudyConfig
from search.study.folder import Study
from search.terminal.live import SearchConsole

MakeStudy = Callable[..., Study]


@pytest.fixture
def said() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def console(said: io.StringIO) -> SearchConsole:
    return SearchConsole(Console(file=said, width=500, force_terminal=False))


def python(program: str) -> str:
    return f'{sys.executable} -c "{program}"'


def test_it_gets_the_studys_folder_and_how_it_ended(
    make_study: MakeStudy, tmp_path: Path, console: SearchConsole, said: io.StringIO
) -> None:
    study = make_study()
    note = tmp_path / "a note.txt"
    words = f"os.environ['{ending.OUTCOME}'], *sys.argv[2:]"
    program = f"import os, sys; open(sys.argv[1], 'w').write(' '.join([{words}]))"
    run_command(f"{python(program)} '{note}' 'two words'", study, console, "stopped")
    assert note.read_text() == f"stopped two words {study.folder}"
    assert "exit status" not in said.getvalue()


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        (python("raise SystemExit(3)"), "exit status 3; the study is complete without it"),
        ("no-such-command-here", "no-such-command-here cannot be run: No such file or directory"),
        (python("import time; time.sleep(60)"), "ended after 0 s"),
    ],
)
def test_its_failure_is_said_and_no_more(
    command: str,
    reason: str,
    make_study: MakeStudy,
    console: SearchConsole,
    said: io.StringIO,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ending, "PATIENCE", 0.3 if "sleep" in command else 60.0)
    run_command(command, make_study(), console, "finished")
    assert reason in said.getvalue()


def test_a_command_that_is_not_there_is_said_at_the_start(
    make_config: Callable[..., StudyConfig], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert command_note(make_config()) == []
    assert command_note(make_config(study={"on_end": python("pass")})) == []
    monkeypatch.setenv("HOME", str(Path(sys.executable).parent))
    assert command_note(make_config(study={"on_end": f"~/{Path(sys.executable).name}"})) == []
    (note,) = command_note(make_config(study={"on_end": "no-such-command-here now"}))
    assert "no-such-command-here" in note


def test_a_tilde_is_the_home_in_the_command_and_its_arguments(
    make_study: MakeStudy, console: SearchConsole, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "tool").symlink_to("/bin/mkdir")
    run_command("~/tool -p ~/made", make_study(), console, "finished")
    assert (tmp_path / "made").is_dir()


def test_a_report_that_fails_does_not_break_the_search(
    make_study: MakeStudy, console: SearchConsole, said: io.StringIO
) -> None:
    study = make_study()
    (study.folder / "report.html").mkdir()
    study.trials_csv.write_text("trial_id,score\nx,no number\n")
    end_search(study, study.config(), console, "finished")
    assert "no report: " in said.getvalue()
