"""The `status` command: where a search stands, from its folder alone."""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Group, RenderableType
from rich.live import Live
from rich.text import Text

from search.results import Snapshot, snapshot_from_disk, snapshot_of_rows, trial_rows
from search.study import Study, is_driven, lost_driver, open_study
from search.system.files import folder_bytes
from search.system.wording import mebibytes
from search.terminal import is_live, make_console
from search.terminal.live import PLAIN_INTERVAL
from search.terminal.tables import (
    best_line,
    render,
    retired_lines,
    rung_table,
    running_table,
    summary_line,
    trial_line,
    trial_table,
)

# The watched folder is read this often, in seconds.
WATCH_INTERVAL = 2.0


def show_status(folder: Path) -> None:
    """Print a study's trials, brackets, best configuration and failures; disturbs nothing, even while it runs.

    Raises:
        UserError: the folder holds no study.
    """
    study = open_study(folder)
    rows = trial_rows(study)
    snapshot = snapshot_of_rows(study, rows)
    console = make_console()
    driven = is_driven(study)
    console.print(summary_line(snapshot), style="bold")
    if not driven and not snapshot.is_over:
        console.print(_not_running(study), style="yellow")
    for line in retired_lines(snapshot):
        console.print(line, style="yellow", soft_wrap=True)
    console.print()
    console.print(rung_table(snapshot))
    if driven and snapshot.running:
        console.print()
        console.print(running_table(snapshot))
    if rows:
        console.print()
        console.print(trial_table(rows, snapshot.tally.objective, width=console.width))
    console.print()
    console.print(best_line(snapshot), style="green", soft_wrap=True)
    for row in snapshot.failures:
        console.print(trial_line(row, snapshot.objective.name), style="red", soft_wrap=True)
    console.print(f"{mebibytes(folder_bytes(study.folder))} on disk in {study.folder}", style="dim")


def show_json(folder: Path) -> None:
    """Print where a search stands as one JSON object, for scripts. Raises UserError if there is no study."""
    study = open_study(folder)
    print(json.dumps(status_values(study, snapshot_from_disk(study)), indent=1))


def status_values(study: Study, snapshot: Snapshot) -> dict[str, Any]:
    """What `status --json` prints; rows of trials as in `trials.csv`, with numbers and null."""
    best, baseline = snapshot.best, snapshot.baseline
    return {
        "name": snapshot.name,
        "folder": str(study.folder),
        "objective": snapshot.objective.name,
        "direction": snapshot.objective.direction,
        "is_running": is_driven(study),
        "is_over": snapshot.is_over,
        "trials_finished": snapshot.finished,
        "trials_total": snapshot.trials_total,
        "epochs_done": snapshot.epochs_done,
        "epochs_total": snapshot.epochs_total,
        "seconds_left": snapshot.seconds_left,
        "best": best and _plain(best),
        "baseline": baseline and _plain(baseline),
        "confirmed": snapshot.confirmed and snapshot.confirmed._asdict(),
        "failures": [_plain(row) for row in snapshot.failures],
        "retired_workers": dict(snapshot.retired),
        "running": [dict(report) for report in snapshot.running],
        "rungs": [asdict(rung) for rung in snapshot.rungs],
        "bytes_on_disk": folder_bytes(study.folder),
    }


def watch_status(folder: Path) -> None:
    """Show where a search stands until it is over or Ctrl-C: live in a terminal, else one line per minute.

    Raises:
        UserError: the folder holds no study.
    """
    study = open_study(folder)
    console = make_console()
    try:
        if is_live(console):
            with Live(console=console, auto_refresh=False) as live:
                while not (snapshot := snapshot_from_disk(study)).is_over:
                    live.update(_picture(study, snapshot), refresh=True)
                    time.sleep(WATCH_INTERVAL)
                live.update(_picture(study, snapshot), refresh=True)
            return
        while not (snapshot := snapshot_from_disk(study)).is_over:
            console.print(f"{summary_line(snapshot)} · {best_line(snapshot)}", soft_wrap=True)
            if not is_driven(study):
                console.print(_not_running(study), style="yellow", soft_wrap=True)
            time.sleep(PLAIN_INTERVAL)
        console.print(f"{summary_line(snapshot)} · {best_line(snapshot)}", soft_wrap=True)
    except KeyboardInterrupt:
        return


def _picture(study: Study, snapshot: Snapshot) -> RenderableType:
    if snapshot.is_over or is_driven(study):
        return render(snapshot)
    return Group(Text(_not_running(study), style="yellow"), render(snapshot))


def _not_running(study: Study) -> str:
    lost = lost_driver(study)
    return f"not running now{lost and f', {lost}'}; continue with the command that started it ({study.folder})"


def _plain(row: Any) -> dict[str, Any]:
    """A row of `trials.csv` with null in place of empty cells."""
    return {name: None if value == "" else value for name, value in row.items()}
