"""The results of studies as pandas DataFrames, with the right types."""

from __future__ import annotations

import io
from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from search.errors import UserError
from search.study.columns import TRIAL_COLUMNS, epoch_columns, kind_of
from search.study.folder import open_studies
from search.system.csv_files import csv_lines, whole_lines


class Results(NamedTuple):
    """Tidy tables: a row per trial, and a row per trial and epoch, each with its `study`."""

    trials: pd.DataFrame
    epochs: pd.DataFrame


def load(*folders: str | PathLike[str]) -> Results:
    """The trials and epochs of one or several studies, also while they run.

    `study` names the folder. Text is `string`, whole numbers `Int64`, other numbers `float64`, yes or no `boolean`,
    times `datetime64[ns, UTC]`; empty cells are missing values. What a study does not have is
    missing in its rows. A last line that is being written is left out.

    Args:
        folders: study folders, each with another name.

    Raises:
        UserError: no folder is given, one holds no study, or two have the same name.
    """
    if not folders:
        raise UserError("no study folder is given; expected one or more.")
    studies = open_studies([Path(folder) for folder in folders])
    trials = [_read(study.trials_csv, study.name, TRIAL_COLUMNS) for study in studies]
    epochs = [_read(study.epochs_csv, study.name, epoch_columns(study.frozen()["class_names"])) for study in studies]
    return Results(*(_typed(pd.concat(tables, ignore_index=True)) for tables in (trials, epochs)))


def _read(path: Path, study: str, columns: Sequence[str]) -> pd.DataFrame:
    """A CSV file as text; no rows where there is no file yet."""
    text = whole_lines(path) or csv_lines([dict(zip(columns, columns, strict=True))], columns)
    table = pd.read_csv(io.StringIO(text), dtype=str, keep_default_na=False, na_values=[""])
    table.insert(0, "study", study)
    return table


def _typed(table: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame({name: _column(name, table[name]) for name in table.columns})


def _column(name: str, cells: pd.Series[str]) -> pd.Series:
    match "text" if name == "study" else kind_of(name):
        case "text":
            return cells.astype("string")
        case "time":
            return pd.to_datetime(cells, utc=True, format="ISO8601").astype("datetime64[ns, UTC]")
        case "whole":
            return pd.to_numeric(cells).astype("Int64")
        case "number":
            return pd.to_numeric(cells).astype("float64")
        case "hyperparameter":
            return _hyperparameter(cells)


def _hyperparameter(cells: pd.Series[str]) -> pd.Series:
    """As the hyperparameter: yes or no, a whole number, a number or text."""
    given = cells.dropna()
    if len(given) and given.isin(["True", "False"]).all():
        return cells.map({"True": True, "False": False}).astype("boolean")
    if given.str.fullmatch(r"-?\d+").all():
        return pd.to_numeric(cells).astype("Int64")
    numbers = pd.to_numeric(cells, errors="coerce")
    if numbers.notna().sum() == len(given):
        return numbers.astype("float64")
    return cells.astype("string")
