"""The end of a search in the terminal: the ranking, the best against the baseline, and what to do next."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Any

from rich.console import Console

from search.results import Snapshot, trial_rows
from search.study import BASELINE, Study
from search.terminal.tables import best_line, rung_table, trial_table

# Trials that the ranking shows.
MOST_TRIALS = 10


def show_conclusion(console: Console, study: Study, snapshot: Snapshot, verdict: str) -> None:
    """Print how a search has ended, with the report's verdict; only the tables if no trial has completed."""
    console.print()
    console.print(rung_table(snapshot))
    console.print()
    console.print(trial_table(trial_rows(study), snapshot.objective, limit=MOST_TRIALS, width=console.width))
    console.print()
    console.print(best_line(snapshot), style="bold green", soft_wrap=True)
    if snapshot.best is None:
        return
    chosen = _choices(snapshot.best)
    is_baseline = BASELINE in (snapshot.best["trial_id"], snapshot.confirmed and snapshot.confirmed.of)
    if chosen and not is_baseline:
        console.print(f"  {chosen}", soft_wrap=True)
    console.print(verdict, soft_wrap=True)
    console.print()
    for what, where in _next_steps(study).items():
        console.print(f"  {what:<18} {where}", soft_wrap=True)


def _choices(row: Mapping[str, Any]) -> str:
    """The hyperparameters of a trial, where they exist."""
    hyperparameters = {name[3:]: value for name, value in row.items() if name.startswith("hp:")}
    return ", ".join(f"{name} = {value}" for name, value in hyperparameters.items() if value not in ("", None))


def _next_steps(study: Study) -> dict[str, str]:
    """What the user may want now: where it is, or the command that makes it."""
    folder = shlex.quote(str(study.folder))
    no_report = f"pip install -e '.[report]', then deeplab-search report {folder}"
    return {
        "the configuration": str(study.best_file),
        "the report": str(study.report_file) if study.report_file.exists() else no_report,
        "all trials": str(study.trials_csv),
        "compare them": f"deeplab-search board {folder}",
        "export the model": f"deeplab-search export {folder}",
        "segment images": f"deeplab-search predict {folder} IMAGE... --to masks",
    }
