"""The console that commands print to, and a bar while images are read."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterator

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn


def make_console() -> Console:
    """A console that shows text as it is: names and paths may contain brackets and colons."""
    return _Console(highlight=False, markup=False, emoji=False)


def is_live(console: Console) -> bool:
    """Whether the console can redraw what it has shown."""
    return console.is_terminal and not console.is_dumb_terminal


class _Console(Console):
    def on_broken_pipe(self) -> None:
        """The reader has gone: what is said from now on goes nowhere. Rich would end the program with status 1."""
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise BrokenPipeError


@contextlib.contextmanager
def reading_progress(console: Console, what: str) -> Iterator[Callable[[int, int], None]]:
    """A progress bar in a terminal while images are read; yields a function of (images done, total images)."""
    bar = (TextColumn(what), BarColumn(), MofNCompleteColumn(), TextColumn("images"), TimeRemainingColumn())
    with Progress(*bar, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task(what, total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)
