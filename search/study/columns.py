"""The columns of a study's CSV files, and what each of them holds."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

from search.study.ids import is_trial_id

# A hyperparameter is what its values are: `kind_of` cannot know.
Kind = Literal["text", "time", "whole", "number", "hyperparameter"]

# The fixed columns of `trials.csv` in their order; `hp:<name>` and `metric:<name>` follow.
_TRIAL_KINDS: dict[str, Kind] = {
    "trial_id": "text",
    "config_id": "text",
    "parent_id": "text",
    "iteration": "whole",
    "bracket": "whole",
    "rung": "whole",
    "status": "text",
    "attempts": "whole",
    "score": "number",
    "best_epoch": "whole",
    "first_epoch": "whole",
    "last_epoch": "whole",
    "started": "time",
    "finished": "time",
    "train_seconds": "number",
    "total_seconds": "number",
    "worker": "text",
    "parameters": "whole",
    "macs": "whole",
    "error": "text",
}
TRIAL_COLUMNS = tuple(_TRIAL_KINDS)
# Besides `trial_id`, even a trial that has just been created has these.
_REQUIRED = ("attempts", "first_epoch", "last_epoch")
_READERS: dict[Kind, Callable[[Any], int | float]] = {"whole": int, "number": float}
_NUMBERS = {name: _READERS[kind] for name, kind in _TRIAL_KINDS.items() if kind in _READERS}


def metric_names(class_names: Sequence[str]) -> tuple[str, ...]:
    """Every metric of an epoch, training's first."""
    names = ("loss", "mean_iou", "pixel_accuracy", *(f"iou_{name}" for name in class_names))
    return names + tuple(f"val_{name}" for name in names)


def epoch_columns(class_names: Sequence[str]) -> tuple[str, ...]:
    """Columns of `epochs.csv`, for the study and for each trial."""
    head = ("trial_id", "config_id", "epoch", "learning_rate", "seconds", "images_per_second")
    return (*head, *metric_names(class_names), "peak_memory_mb")


def kind_of(name: str) -> Kind:
    """What a column of `trials.csv` or `epochs.csv` holds."""
    if name.startswith("hp:"):
        return "hyperparameter"
    return _TRIAL_KINDS.get(name, "whole" if name == "epoch" else "number")


def typed_row(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row of `trials.csv` with numbers where the file has text, and None in its empty cells of numbers.

    Raises:
        ValueError: a cell that must be a number is not one.
    """
    read = {name: (row.get(name), reader) for name, reader in _NUMBERS.items()}
    return {**row, **{name: None if cell in (None, "") else reader(cell) for name, (cell, reader) in read.items()}}


def is_trial_row(row: Mapping[str, str]) -> bool:
    """Whether a row that was read is one of `trials.csv`: the columns are there, and numbers where they must be."""
    if not row.keys() >= set(TRIAL_COLUMNS) or not is_trial_id(row["trial_id"]):
        return False
    try:
        typed = typed_row(row)
        is_finite = all(math.isfinite(typed[name] or 0) for name in _NUMBERS)
    except (ValueError, OverflowError):
        return False
    return is_finite and all(typed[name] is not None for name in _REQUIRED)
