"""The `compare` command: studies side by side, as a table, as CSV, and as one report."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.table import Table

from search.console import duration, make_console
from search.errors import UserError
from search.files import write_csv
from search.results import study_names
from search.study import Study, open_study

if TYPE_CHECKING:
    from search.report.history import History

# Column of the CSV -> what it is called where people read it.
COLUMNS = {
    "study": "study",
    "data": "data",
    "image_size": "image size",
    "encoder": "encoder",
    "objective": "objective",
    "best": "best",
    "baseline": "baseline",
    "gain": "gain",
    "trial_id": "trial",
    "config_id": "configuration",
    "parameters": "parameters",
    "macs": "MACs",
    "trials": "trials",
    "failed": "failed",
    "epochs": "epochs",
    "seconds": "time",
}


def compare_studies(folders: Sequence[Path], target: Path | None) -> None:
    """Print studies side by side; with `target`, also write `comparison.csv` and `comparison.html` there.

    Raises:
        UserError: fewer than two folders, one holds no study, two have one name, or `target` cannot be written.
    """
    if len(folders) < 2:
        raise UserError(f"given {len(folders)} study folder; expected two or more to compare.")
    studies = [open_study(folder) for folder in folders]
    study_names(studies)
    histories = _histories(studies)
    console = make_console()
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    # A column a study: two or three studies, and many numbers of each.
    table.add_column("")
    for history in histories:
        table.add_column(history.name, overflow="fold")
    columns = zip(*comparison_rows(histories), strict=True)
    for title, values in list(zip(comparison_columns(), columns, strict=True))[1:]:
        table.add_row(title, *values)
    console.print(table)
    if target is None:
        return
    from search.report import write_comparison

    try:
        target.mkdir(parents=True, exist_ok=True)
        write_csv(target / "comparison.csv", list(COLUMNS), [comparison_values(history) for history in histories])
    except OSError as error:
        raise UserError(f"{target} cannot be written: {error.strerror}. Choose another --to.") from None
    page = write_comparison(folders, target / "comparison.html")
    console.print(f"\n{target / 'comparison.csv'}\n{page}", soft_wrap=True)


def comparison_columns() -> list[str]:
    """Titles of the comparison's columns."""
    return list(COLUMNS.values())


def comparison_rows(histories: Sequence[History]) -> list[list[str]]:
    """A row for each study, as people read it."""
    return [[_shown(name, value) for name, value in comparison_values(history).items()] for history in histories]


def comparison_values(history: History) -> dict[str, Any]:
    """What is compared of a study, by the columns of the CSV; None where there is nothing yet."""
    best, baseline, config = history.best, history.baseline, history.config
    architecture = history.network.get("architecture", {})
    scores = {
        name: None if row is None else float(row["score"]) for name, row in (("best", best), ("baseline", baseline))
    }
    gain = None
    if scores["best"] is not None and scores["baseline"] is not None:
        gain = history.sign * (scores["best"] - scores["baseline"])
    of_best = {name: None if best is None else best[name] for name in ("trial_id", "config_id", "parameters", "macs")}
    return {
        "study": history.name,
        "data": config.data.path or config.data.format,
        "image_size": "x".join(map(str, config.data.image_size)),
        "encoder": architecture.get("encoder"),
        "objective": history.objective,
        **scores,
        "gain": gain,
        **of_best,
        "trials": history.snapshot.finished,
        "failed": len(history.failed),
        "epochs": round(history.snapshot.epochs_done),
        "seconds": round(float(history.trials["total_seconds"].fillna(0).sum()), 1),
    }


def _shown(name: str, value: Any) -> str:
    if value is None:
        return ""
    if name == "gain":
        return f"{value:+.4f}"
    if name in ("best", "baseline"):
        return f"{value:.4f}"
    if name == "seconds":
        return duration(value)
    units = {"parameters": ("M", 1e6), "macs": ("G", 1e9)}
    if name in units:
        unit, scale = units[name]
        return f"{value / scale:.2f} {unit}"
    return str(value)


def _histories(studies: Sequence[Study]) -> list[History]:
    from search.report.history import read_history

    return [read_history(study) for study in studies]
