"""The console that commands print to, and a bar while images are read."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterator
from typing import IO

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

# What a notebook's kernel sets for the commands that it runs, Jupyter's and Google Colab's.
NOTEBOOK = ("JPY_PARENT_PID", "COLAB_RELEASE_TAG")


def make_console(file: IO[str] | None = None) -> Console:
    """A console that shows text as it is: names and paths may contain brackets and colons.

    Args:
        file: where it prints; None for standard output.
    """
    interactive = None if is_screen(file or sys.stdout) else False
    # Rich's own output for notebooks is a block of HTML per line; text is what is wanted of a log there too.
    return _Console(
        file=file, highlight=False, markup=False, emoji=False, force_interactive=interactive, force_jupyter=False
    )


def is_screen(file: IO[str] | None) -> bool:
    """Whether output can be redrawn: by a terminal, but not by a notebook, which gives its commands one of sorts."""
    return file is not None and file.isatty() and not any(name in os.environ for name in NOTEBOOK)


def is_live(console: Console) -> bool:
    """Whether the console can redraw what it has shown."""
    return console.is_interactive


class _Console(Console):
    def on_broken_pipe(self) -> None:
        """The reader has gone: what is said from now on goes nowhere. Rich would end the program with status 1."""
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise BrokenPipeError


class _RateColumn(ProgressColumn):
    """How many are done per second, once that is known."""

    def render(self, task: Task) -> Text:
        return Text("" if task.speed is None else f"{task.speed:.3g}/s")


@contextlib.contextmanager
def reading_progress(console: Console, what: str, unit: str = "images") -> Iterator[Callable[[int, int], None]]:
    """A progress bar in a terminal while images are read; yields a function of (images done, total images).

    It appears when that function is first called.
    """
    bar = (TextColumn(what), BarColumn(), MofNCompleteColumn(), TextColumn(unit), _RateColumn(), TimeRemainingColumn())
    with Progress(*bar, console=console, transient=True, disable=not is_live(console)) as progress:
        task = progress.add_task(what, total=None, visible=False)
        yield lambda done, total: progress.update(task, completed=done, total=total, visible=True)


def splitting_progress(console: Console) -> contextlib.AbstractContextManager[Callable[[int, int], None]]:
    """A progress bar for data that are opened: all masks are read where splits are made of them."""
    return reading_progress(console, "reading masks to make splits", "masks")
