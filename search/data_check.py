"""The `data check` command: what would break or bias training, before a GPU is spent on it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from datasets import DataStatistics, SplitStatistics
from search.config import load_config
from search.errors import UserError
from search.prepare import open_data


def check_data(path: Path, overrides: Sequence[str]) -> None:
    """Read all images and masks of a study file's data once; print what they hold and every problem.

    Raises:
        UserError: something would break training; warnings alone raise nothing.
    """
    config = load_config(path, overrides)
    # Not strict: what shows in the folder's listing is reported together with what shows in the files.
    dataset = open_data(config, **({"strict": False} if config.data.format == "folder" else {}))
    console = Console(highlight=False)
    bar = (TextColumn("reading"), BarColumn(), MofNCompleteColumn(), TextColumn("images"), TimeRemainingColumn())
    with Progress(*bar, console=console, transient=True) as progress:
        task = progress.add_task("reading", total=None)
        problems = dataset.check(lambda done, total: progress.update(task, completed=done, total=total))
    statistics = dataset.statistics()
    console.print(_split_table(statistics))
    console.print(_class_table(statistics))
    for problem in problems:
        style = "red" if problem.severity == "error" else "yellow"
        where = f"{problem.path}: " if problem.path is not None and str(problem.path) not in problem.message else ""
        console.print(f"{problem.severity}: {where}{problem.message}", style=style, soft_wrap=True)
    errors = sum(problem.severity == "error" for problem in problems)
    warnings = len(problems) - errors
    if errors:
        raise UserError(f"the data have {errors} error{'s' * (errors > 1)} that would break training (listed above).")
    console.print(f"no errors, {warnings or 'no'} warning{'s' * (warnings != 1)}", style="bold green")


def _split_table(statistics: DataStatistics) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for column in ("split", "images", "sizes (height x width)", "ignored pixels"):
        table.add_column(column)
    for split in statistics.splits:
        table.add_row(split.split, str(split.images), _sizes(split), f"{100 * split.ignored_share:.1f} %")
    return table


def _sizes(split: SplitStatistics) -> str:
    shown = [f"{height}x{width} ({count})" for (height, width), count in split.sizes[:3]]
    more = len(split.sizes) - 3
    return ", ".join(shown) + (f" and {more} more" if more > 0 else "")


def _class_table(statistics: DataStatistics) -> Table:
    """Each class's share of the pixels, and in how many images it occurs, a column pair per split."""
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column("class")
    for split in statistics.splits:
        table.add_column(f"{split.split} pixels", justify="right")
        table.add_column("images", justify="right")
    for index, entry in enumerate(statistics.splits[0].classes if statistics.splits else ()):
        cells = []
        for split in statistics.splits:
            found = split.classes[index]
            cells += [f"{100 * found.share:.2f} %", str(found.images)]
        table.add_row(f"{index} {entry.name}", *cells)
    return table
