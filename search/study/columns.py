"""The columns of a study's CSV files."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from search.study.ids import is_trial_id

TRIAL_COLUMNS = (
    *("trial_id", "config_id", "parent_id", "iteration", "bracket", "rung", "status", "attempts", "score"),
    *("best_epoch", "first_epoch", "last_epoch", "started", "finished", "train_seconds", "total_seconds"),
    *("worker", "parameters", "macs", "error"),
)


def metric_names(class_names: Sequence[str]) -> tuple[str, ...]:
    """Every metric of an epoch, training's first."""
    names = ("loss", "mean_iou", "pixel_accuracy", *(f"iou_{name}" for name in class_names))
    return names + tuple(f"val_{name}" for name in names)


def epoch_columns(class_names: Sequence[str]) -> tuple[str, ...]:
    """Columns of `epochs.csv`, for the study and for each trial."""
    head = ("trial_id", "config_id", "epoch", "learning_rate", "seconds", "images_per_second")
    return (*head, *metric_names(class_names), "peak_memory_mb")


def is_trial_row(row: Mapping[str, str]) -> bool:
    """Whether a row that was read is one of `trials.csv`: the columns are there, and numbers where they must be."""
    if not row.keys() >= set(TRIAL_COLUMNS) or not is_trial_id(row["trial_id"]):
        return False
    required, optional = ("attempts", "first_epoch", "last_epoch"), ("iteration", "bracket", "rung", "best_epoch")
    try:
        for name in (*required, *(name for name in optional if row[name])):
            int(row[name])
        for name in ("score", "train_seconds", "total_seconds", "parameters", "macs"):
            if not math.isfinite(float(row[name] or 0)):
                return False
    except ValueError:
        return False
    return True
