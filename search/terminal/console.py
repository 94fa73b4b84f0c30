"""The search in the terminal: a live table where there is a terminal, plain lines where there is none."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Callable, Iterator
from datetime import datetime

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.text import Text

from search.results.snapshot import Snapshot
from search.terminal.tables import render, summary_line

# The live picture is drawn at most this often, in seconds: a search must not wait for its screen.
DRAW_INTERVAL = 0.25
# Plain lines say where the search stands this often, in seconds.
PLAIN_INTERVAL = 60.0


class SearchConsole:
    """Shows a search while it runs. Use as a context manager around it."""

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or make_console()
        self._live = Live(console=self.console, auto_refresh=False, transient=True) if self._is_terminal else None
        self._unsaid: list[RenderableType] = []
        self._drawn = float("-inf")
        self._reported = time.monotonic()

    @property
    def _is_terminal(self) -> bool:
        return self.console.is_terminal and not self.console.is_dumb_terminal

    def __enter__(self) -> SearchConsole:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            self._say_all()
            self._live.stop()

    def say(self, line: str, style: str = "") -> None:
        """One line that stays, with the time."""
        stamp = datetime.now().strftime("%H:%M:%S")
        text = Text.assemble((f"{stamp}  ", "dim"), (line, style))
        if self._live is None or not self._live.is_started:
            self.console.print(text, soft_wrap=not self._is_terminal)
            return
        # A line above the live picture draws all of it anew, so lines that come together appear together.
        self._unsaid.append(text)
        if self._is_due:
            self._say_all()

    def update(self, take: Callable[[], Snapshot]) -> None:
        """Draw where the search stands (terminal), or say it once a minute (no terminal); taken only where shown."""
        if self._live is not None:
            if self._is_due:
                self._say_all()
                self._live.update(render(take()), refresh=True)
        elif time.monotonic() - self._reported >= PLAIN_INTERVAL:
            self.say(summary_line(take()))
            self._reported = time.monotonic()

    @property
    def _is_due(self) -> bool:
        """Whether the live picture has stood long enough."""
        return time.monotonic() - self._drawn >= DRAW_INTERVAL

    def _say_all(self) -> None:
        """Print the lines that wait."""
        self._drawn = time.monotonic()
        if self._unsaid:
            self.console.print(Group(*self._unsaid))
            self._unsaid.clear()


class _Console(Console):
    def on_broken_pipe(self) -> None:
        """The reader has gone: what is said from now on goes nowhere. Rich would end the program with status 1."""
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise BrokenPipeError


@contextlib.contextmanager
def reading_progress(console: Console, what: str) -> Iterator[Callable[[int, int], None]]:
    """A bar, in a terminal, while images are read; yields what to call with (images done, images in all)."""
    bar = (TextColumn(what), BarColumn(), MofNCompleteColumn(), TextColumn("images"), TimeRemainingColumn())
    with Progress(*bar, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task(what, total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)


def make_console() -> Console:
    """The terminal, for text that is shown as it is: names and paths may hold brackets and colons."""
    return _Console(highlight=False, markup=False, emoji=False)
