"""The search while it runs: a live table in a terminal, plain lines elsewhere."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable
from datetime import datetime

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.text import Text

from search.results import Snapshot
from search.system.streams import enduring
from search.terminal.console import is_live, make_console
from search.terminal.tables import render, summary_line

# The live picture is drawn at most this often, in seconds: a search must not wait for its screen.
DRAW_INTERVAL = 0.25
# Plain lines say where the search stands this often, in seconds.
PLAIN_INTERVAL = 60.0

log = logging.getLogger(__name__)


class SearchConsole:
    """Shows a search while it runs. Use as a context manager around it."""

    def __init__(self, console: Console | None = None) -> None:
        # A search goes on when its terminal is closed.
        self.console = console or make_console(enduring(sys.stdout))
        self._live = Live(console=self.console, auto_refresh=False, transient=True) if is_live(self.console) else None
        self._unsaid: list[RenderableType] = []
        self._drawn = float("-inf")
        self._reported = time.monotonic()

    def __enter__(self) -> SearchConsole:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            self._say_all()
            self._live.stop()

    def say(self, line: str, style: str = "") -> None:
        """Print one line that stays, with the time."""
        log.info("%s", line)
        self._print(line, style)

    def detail(self, line: str) -> None:
        """Print one line of the log, which has it already."""
        self._print(line, "dim")

    def _print(self, line: str, style: str) -> None:
        stamp = datetime.now().strftime("%H:%M:%S")
        text = Text.assemble((f"{stamp}  ", "dim"), (line, style))
        if self._live is None or not self._live.is_started:
            # Without a terminal lines stay whole, so that logs can be searched.
            self.console.print(text, soft_wrap=self._live is None)
            return
        # A line above the live picture redraws all of it, so lines that come together are printed together.
        self._unsaid.append(text)
        if self._is_due:
            self._say_all()

    def update(self, take: Callable[[], Snapshot]) -> None:
        """Draw where the search stands (terminal), or print it once per minute; `take` is called only then."""
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
