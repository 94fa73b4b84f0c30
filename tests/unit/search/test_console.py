"""Where the live table appears: in a real terminal alone."""

from __future__ import annotations

import os
import pty
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.text import Text

from benchmarks._history import History
from search.results.snapshot import snapshot_from_disk
from search.terminal import live
from search.terminal.console import NOTEBOOK, is_live, make_console, reading_progress
from search.terminal.live import SearchConsole

# Moves the cursor up, or hides it.
REDRAWN = ("\x1b[1A", "\x1b[?25l")


class Terminal:
    """A terminal; `shown` is what was written to it."""

    def __init__(self) -> None:
        self._reader, writer = pty.openpty()
        self.file = os.fdopen(writer, "w")
        self.shown = ""
        self._thread = threading.Thread(target=self._read)
        self._thread.start()

    def _read(self) -> None:
        try:
            while more := os.read(self._reader, 1 << 16):
                self.shown += more.decode()
        except OSError:  # its other end is closed
            return

    def close(self) -> str:
        """All that it has shown."""
        self.file.close()
        self._thread.join(60)
        os.close(self._reader)
        return self.shown


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[Terminal]:
    monkeypatch.setenv("TERM", "xterm-256color")
    for name in (*NOTEBOOK, "FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)
    terminal = Terminal()
    yield terminal
    if not terminal.file.closed:
        terminal.close()


def show_a_search(terminal: Terminal, folder: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    study = History(folder).write(3, running=1, pictures=False)
    monkeypatch.setattr(live, "DRAW_INTERVAL", 0.0)
    with SearchConsole(make_console(terminal.file)) as console:
        for number in range(20):
            console.say(f"line {number}")
            console.update(lambda: snapshot_from_disk(study))
    return terminal.close()


def test_in_a_terminal_the_table_is_redrawn(
    terminal: Terminal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert is_live(make_console(terminal.file))
    shown = show_a_search(terminal, tmp_path / "study", monkeypatch)
    assert any(control in shown for control in REDRAWN)


@pytest.mark.parametrize("name", NOTEBOOK)
def test_in_a_notebook_there_are_plain_lines(
    terminal: Terminal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """A notebook gives its commands a terminal that cannot be redrawn."""
    monkeypatch.setenv(name, "1")
    monkeypatch.setenv("FORCE_COLOR", "1")
    shown = show_a_search(terminal, tmp_path / "study", monkeypatch)
    assert not any(control in shown for control in REDRAWN)
    assert len(shown.splitlines()) == 20


def test_colours_that_are_asked_for_make_no_terminal_of_a_file(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    console = make_console()
    assert not is_live(console)
    with reading_progress(console, "reading") as progress:
        progress(1, 2)
    console.print(Text("done", "red"))
    assert capsys.readouterr().out.replace("\x1b[31m", "").replace("\x1b[0m", "") == "done\n"
