"""What TensorBoard's HParams table shows: the same columns for every study, so that several stand in one table.

TensorBoard reads the columns from one of the studies that it shows, whichever comes first. Therefore each study
declares every column that any study may have, and gives each configuration all its values, searched or fixed.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from hyperparameters.dimensions import CATALOGUE, Entry
from search.results.hparams import write_hparams_layout
from search.study.columns import metric_names

# Columns beside the hyperparameters.
PLACE = ("study", "config_id", "bracket", "rung", "iteration", "epochs", "parameters", "macs")
_TEXT = ("study", "config_id")
# What no comparison can do without; the first hyperparameters that are searched fill up what TensorBoard selects.
_FIRST = ("epochs", "study", "parameters")
_SELECTED = 5


def write_table_layout(
    folder: Path, objectives: Iterable[str], class_names: Iterable[str], searched: Iterable[str]
) -> None:
    """Declare the columns of the HParams table in the folder of all runs.

    Args:
        folder: of the runs of one study or several.
        objectives: of the studies.
        class_names: of the studies' data.
        searched: hyperparameters that are worth seeing first.
    """
    ordered = [name for name in CATALOGUE if name in set(searched)]
    columns = {name: _choices(entry) for name, entry in CATALOGUE.items()}
    columns |= {name: None if name in _TEXT else () for name in PLACE}
    write_hparams_layout(folder, columns, metrics_of(objectives, class_names), [*_FIRST, *ordered][:_SELECTED])


def metrics_of(objectives: Iterable[str], class_names: Iterable[str]) -> dict[str, str]:
    """TensorBoard's tag of each metric that is compared, the objectives first; then those that every trial has."""
    validation = [name for name in metric_names(tuple(class_names)) if name.startswith("val_")]
    names = (*objectives, "val_mean_iou", "val_loss", "seconds", "val_pixel_accuracy", "epoch", *validation)
    return {f"best/{name}": name for name in names}


def _choices(entry: Entry) -> Sequence[Any] | None:
    """The values to filter by; empty for any number; None for any text."""
    if entry.kind == "bool":
        return (False, True)
    return entry.allowed or (None if entry.kind == "str" else ())
