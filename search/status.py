"""The `status` command: where a search stands, from its folder alone."""

from __future__ import annotations

from pathlib import Path

from search.console import (
    best_line,
    make_console,
    rung_table,
    running_table,
    summary_line,
    trial_line,
    trial_table,
)
from search.files import folder_bytes
from search.snapshot import snapshot_from_disk
from search.study import open_study


def show_status(folder: Path) -> None:
    """Print a study's trials, brackets, best configuration and failures; disturbs nothing, also while it runs.

    Raises:
        UserError: the folder holds no study.
    """
    study = open_study(folder)
    snapshot = snapshot_from_disk(study)
    console = make_console()
    driven = study.is_driven()
    console.print(summary_line(snapshot), style="bold")
    if not driven and not snapshot.is_over:
        console.print(f"not running now; continue with the command that started it ({folder})", style="yellow")
    console.print()
    console.print(rung_table(snapshot))
    if driven and snapshot.running:
        console.print()
        console.print(running_table(snapshot))
    if snapshot.trials:
        console.print()
        console.print(trial_table(snapshot))
    console.print()
    console.print(best_line(snapshot), style="green", soft_wrap=True)
    for row in snapshot.failures:
        console.print(trial_line(row, snapshot.objective), style="red", soft_wrap=True)
    console.print(f"{folder_bytes(study.folder) / 2**20:.0f} MB on disk in {study.folder}", style="dim")
