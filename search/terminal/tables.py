"""Where a search stands, as lines and tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from search.results.snapshot import Snapshot
from search.results.tally import FAILURES
from search.study.ids import BASELINE
from search.study.objective import Objective
from search.system.wording import duration

# Columns of a terminal from which on the table of trials is shown whole.
WIDE = 72


# Rungs that a terminal shows at once; of more, those of the brackets under way.
MOST_RUNGS = 15


def render(snapshot: Snapshot) -> RenderableType:
    """The whole picture: totals, rungs as bars, running trials, the best so far, failures."""
    rungs = rung_table(snapshot, most=MOST_RUNGS)
    parts: list[RenderableType] = ["", Text(summary_line(snapshot), style="bold"), "", rungs, ""]
    if snapshot.running:
        parts += [running_table(snapshot), ""]
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
    """Brackets as lines, rungs as bars; where there are more than `most`, those of the brackets under way alone."""
    table = Table(box=None, padding=(0, 2, 0, 0), show_header=True, header_style="dim")
    for column in ("bracket", "rung", "epochs", "", "trials"):
        table.add_column(column)
    if most is not None and snapshot.tally.schedule.rungs > most:
        views, done, waiting = snapshot.rungs_under_way()
        table.caption, table.caption_justify = (
            f"and {done} brackets that are done, {waiting} that have not begun",
            "left",
        )
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
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for column in ("running", "worker", "epoch", "", "images/s"):
        table.add_column(column)
    for report in snapshot.running:
        bar = ProgressBar(total=max(report["steps"], 1), completed=report["step"], width=20)
        speed = f"{report['images_per_second']:.1f}" if report["images_per_second"] else "starting"
        epoch = f"{report['epoch']}/{report['last_epoch']}"
        phase = "validating" if report["phase"] == "validate" else speed
        table.add_row(report["trial_id"], report["worker"], epoch, bar, phase)
    return table


def best_line(snapshot: Snapshot) -> str:
    """The best trial so far and its distance from the baseline."""
    best, baseline = snapshot.best, snapshot.baseline
    if best is None:
        return "best so far: none yet"
    line = (
        f"{'best' if snapshot.is_over else 'best so far'}: {best['trial_id']}  {snapshot.objective} {best['score']:.4f}"
    )
    if baseline is None:
        return line
    if best["trial_id"] == BASELINE:
        return f"{line} (the tutorial's baseline itself)"
    return f"{line}  ({best['score'] - baseline['score']:+.4f} against the baseline's {baseline['score']:.4f})"


def failure_line(snapshot: Snapshot) -> str:
    """How many trials failed, and why."""
    reasons = "; ".join(f"{row['trial_id']} {row['status']}: {row['error']}" for row in snapshot.failures[-3:])
    return f"{len(snapshot.failures)} failed: {reasons}"


def trial_line(row: Mapping[str, Any], objective: str) -> str:
    """A finished trial in one line."""
    name = f"trial {row['trial_id']}"
    if row["status"] in FAILURES:
        return f"{name} {row['status']}: {row['error']}"
    epochs = f"epochs {row['first_epoch']}-{row['last_epoch']}"
    return f"{name} {row['status']}  {objective} {row['score']:.4f}  {epochs}  {duration(row['total_seconds'])}"


def trial_table(rows: Sequence[Mapping[str, Any]], objective: Objective, limit: int = 20, width: int = WIDE) -> Table:
    """The trials, the best first, with what they cost; with less in a terminal that is narrower than `WIDE`."""
    table = Table(title="trials, best first", title_justify="left", title_style="bold", box=None, header_style="dim")
    table.padding = (0, 2, 0, 0)
    texts = ("trial", "bracket", "rung", "status") if width >= WIDE else ("trial", "status")
    numbers = (objective.name, "epoch", "size", "MACs") if width >= WIDE else (objective.name, "size")
    for column in texts:
        table.add_column(column, no_wrap=True)
    for column in numbers:
        table.add_column(column, justify="right", no_wrap=True)
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
        "bracket": "" if row["bracket"] is None else str(row["bracket"]),
        "rung": "" if row["rung"] is None else str(row["rung"]),
        "status": row["status"],
        objective: "" if row["score"] is None else f"{row['score']:.4f}",
        "epoch": "" if row["best_epoch"] is None else str(row["best_epoch"]),
        "size": "" if row["parameters"] is None else f"{row['parameters'] / 1e6:.2f} M",
        "MACs": "" if row["macs"] is None else f"{row['macs'] / 1e9:.2f} G",
    }
