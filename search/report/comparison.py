"""Studies side by side: the columns of a comparison and their values."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from search.system.wording import billions, duration, millions, rounded, signed

if TYPE_CHECKING:
    from search.report.history import History


# Column of the CSV -> its title for people.
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


def comparison_columns() -> list[str]:
    """Titles of the comparison's columns."""
    return list(COLUMNS.values())


def comparison_rows(histories: Sequence[History]) -> list[list[str]]:
    """One row per study, in words."""
    return [[_shown(name, value) for name, value in comparison_values(history).items()] for history in histories]


def comparison_values(history: History) -> dict[str, Any]:
    """The values of a study by the columns of the CSV; None where there is nothing yet."""
    best, config = history.best, history.config
    architecture = history.network.get("architecture", {})
    scores = {"best": history.best_score, "baseline": history.baseline_score}
    gain = None
    if scores["best"] is not None and scores["baseline"] is not None:
        gain = history.objective.gain(scores["best"], scores["baseline"])
    of_best = {name: None if best is None else best[name] for name in ("trial_id", "config_id", "parameters", "macs")}
    return {
        "study": history.name,
        "data": config.data.path or config.data.format,
        "image_size": "x".join(map(str, config.data.image_size)),
        "encoder": architecture.get("encoder"),
        "objective": history.objective.name,
        **scores,
        "gain": gain,
        **of_best,
        "trials": history.snapshot.finished,
        "failed": len(history.failed),
        "epochs": round(history.snapshot.epochs_done),
        "seconds": round(history.total_seconds, 1),
    }


def _shown(name: str, value: Any) -> str:
    if value is None:
        return ""
    return _WORDINGS.get(name, str)(value)


_WORDINGS: dict[str, Callable[[Any], str]] = {
    "best": rounded,
    "baseline": rounded,
    "gain": signed,
    "parameters": millions,
    "macs": billions,
    "seconds": duration,
}
