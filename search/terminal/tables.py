"""The state of a search, as lines and tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from search.results import Snapshot
from search.results.tally import FAILURES
from search.study import BASELINE, Objective
from search.study.confirmation import Confirmed
from search.system.wording import billions, cell, duration, millions, plural, rounded, signed
from search.terminal.layout import plain_table

# A terminal with at least this many columns shows the whole table of trials.
WIDE = 72


# If there are more rungs, only those of the brackets under way are shown.
MOST_RUNGS = 15


def render(snapshot: Snapshot) -> RenderableType:
    """The whole picture: totals, rungs as bars, running trials, the best so far, failures."""
    rungs = rung_table(snapshot, most=MOST_RUNGS)
    parts: list[RenderableType] = ["", Text(summary_line(snapshot), style="bold"), "", rungs, ""]
    if snapshot.running:
        parts += [running_table(snapshot), ""]
    parts += [Text(line, style="yellow") for line in retired_lines(snapshot)]
    parts.append(Text(best_line(snapshot), style="green" if snapshot.best else ""))
    if snapshot.failures:
        parts.append(Text(failure_line(snapshot), style="red"))
    return Group(*parts)


def summary_line(snapshot: Snapshot) -> str:
    """Trials, epochs and the time left, in one line."""
    left = f"about {duration(snapshot.seconds_left)} left" if snapshot.seconds_left else ""
    if snapshot.is_over:
        left = "finished"
    epochs = f"{snapshot.epochs_done:.0f}/{snapshot.epochs_total} epochs"
    parts = [snapshot.name, f"{snapshot.finished}/{snapshot.trials_total} trials", epochs, left]
    return " · ".join(part for part in parts if part)


def rung_table(snapshot: Snapshot, most: int | None = None) -> Table:
    """Brackets as lines, rungs as bars; if there are more than `most`, only those of the brackets under way."""
    table = plain_table("bracket", "rung", "epochs", "", "trials")
    if most is not None and snapshot.tally.schedule.rungs > most:
        views, done, waiting = snapshot.rungs_under_way()
        table.caption, table.caption_justify = f"and {plural(done, 'bracket')} done, {waiting} not begun", "left"
    else:
        views = snapshot.rungs
    for view in views:
        bar = ProgressBar(total=view.size, completed=view.done, width=20)
        count = f"{view.done}/{view.size}"
        notes = [f"{view.running} running"] * bool(view.running) + [f"{view.failed} failed"] * bool(view.failed)
        table.add_row(
            view.name if view.rung == 0 else "", str(view.rung), f"to {view.last_epoch}", bar, " ".join([count, *notes])
        )
    return table


def running_table(snapshot: Snapshot) -> Table:
    """The trials in flight."""
    table = plain_table("running", "worker", "epoch", "", "images/s")
    for report in snapshot.running:
        bar = ProgressBar(total=max(report["steps"], 1), completed=report["step"], width=20)
        speed = f"{report['images_per_second']:.1f}" if report["images_per_second"] else "starting"
        epoch = f"{report['epoch']}/{report['last_epoch']}"
        phase = {"validate": "validating", "test": "testing"}.get(report["phase"], speed)
        table.add_row(report["trial_id"], report["worker"], epoch, bar, phase)
    return table


def best_line(snapshot: Snapshot) -> str:
    """The best trial so far and its distance from the baseline."""
    best, baseline = snapshot.best, snapshot.baseline
    if best is None:
        return "best so far: none yet"
    if snapshot.confirmed is not None:
        return _confirmed_line(snapshot, snapshot.confirmed)
    when = "best" if snapshot.is_over else "best so far"
    line = f"{when}: {best['trial_id']}  {snapshot.objective.name} {rounded(best['score'])}"
    if baseline is None:
        return line
    if best["trial_id"] == BASELINE:
        return f"{line} (the tutorial's baseline itself)"
    distance = signed(snapshot.objective.gain(best["score"], baseline["score"]))
    return f"{line}  ({distance} against the baseline's {rounded(baseline['score'])})"


def _confirmed_line(snapshot: Snapshot, confirmed: Confirmed) -> str:
    over = f"mean over {plural(confirmed.seeds, 'further seed')}"
    line = f"best, confirmed: {confirmed.of}  {snapshot.objective.name} {rounded(confirmed.mean)}, {over}"
    if confirmed.of == BASELINE:
        return f"{line} (the tutorial's baseline itself)"
    if snapshot.baseline_mean is None:
        return line
    distance = signed(snapshot.objective.gain(confirmed.mean, snapshot.baseline_mean))
    return f"{line}  ({distance} against the baseline's {rounded(snapshot.baseline_mean)})"


def failure_line(snapshot: Snapshot) -> str:
    """How many trials failed, and why."""
    # Only the last ones: the live picture has one line for all failures.
    reasons = "; ".join(f"{row['trial_id']} {row['status']}: {row['error']}" for row in snapshot.failures[-3:])
    return f"{len(snapshot.failures)} failed: {reasons}"


def retired_lines(snapshot: Snapshot) -> list[str]:
    """The workers that get no more trials, and why."""
    return [f"worker {worker} is retired: {reason}" for worker, reason in snapshot.retired.items()]


def trial_line(row: Mapping[str, Any], objective: str) -> str:
    """A finished trial in one line."""
    name = f"trial {row['trial_id']}"
    if row["status"] in FAILURES:
        return f"{name} {row['status']}: {row['error']}"
    epochs = f"epochs {row['first_epoch']}-{row['last_epoch']}"
    return f"{name} {row['status']}  {objective} {rounded(row['score'])}  {epochs}  {duration(row['total_seconds'])}"


def trial_table(rows: Sequence[Mapping[str, Any]], objective: Objective, limit: int = 20, width: int = WIDE) -> Table:
    """The trials, the best first, with what they cost; fewer columns in a terminal that is narrower than `WIDE`."""
    texts = ("trial", "bracket", "rung", "status") if width >= WIDE else ("trial", "status")
    numbers = (objective.name, "epoch", "size", "MACs") if width >= WIDE else (objective.name, "size")
    table = plain_table(*texts, numbers=numbers, no_wrap=True)
    table.title, table.title_justify, table.title_style = "trials, best first", "left", "bold"
    ranked = sorted(rows, key=lambda row: (row["status"] != "completed", -objective.sign * (row["score"] or 0.0)))
    for row in ranked[:limit]:
        cells = _cells(row, objective.name)
        table.add_row(*(cells[column] for column in (*texts, *numbers)))
    if len(ranked) > limit:
        table.caption_justify = "left"
        table.caption = f"and {len(ranked) - limit} more in trials.csv"
    return table


def _cells(row: Mapping[str, Any], objective: str) -> dict[str, str]:
    """A trial's row as the table shows it."""
    return {
        "trial": row["trial_id"],
        "bracket": cell(row["bracket"]),
        "rung": cell(row["rung"]),
        "status": row["status"],
        objective: "" if row["score"] is None else rounded(row["score"]),
        "epoch": cell(row["best_epoch"]),
        "size": "" if row["parameters"] is None else millions(row["parameters"]),
        "MACs": "" if row["macs"] is None else billions(row["macs"]),
    }
