"""Studies as DataFrames, with the right types."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd
import pytest

from benchmarks._history import SEARCHED, History
from search.errors import UserError
from search.results import frames as results
from search.study.columns import TRIAL_COLUMNS
from search.study.folder import Study
from search.system.csv_files import read_csv


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    return History(tmp_path_factory.mktemp("results") / "one", max_epochs=9).write(pictures=False)


@pytest.fixture
def loaded(study: Study) -> results.Results:
    return results.load(study.folder)


def test_every_row_and_column_of_the_files_is_there(study: Study, loaded: results.Results) -> None:
    for frame, path in zip(loaded, (study.trials_csv, study.epochs_csv), strict=True):
        rows = read_csv(path)
        assert list(frame.columns) == ["study", *rows[0]]
        assert list(frame["trial_id"]) == [row["trial_id"] for row in rows]
        assert set(frame["study"]) == {"one"}
    assert set(loaded.trials.columns) >= {*TRIAL_COLUMNS, *(f"hp:{name}" for name in SEARCHED)}


def test_types(study: Study, loaded: results.Results) -> None:
    trials, epochs = loaded
    types = {
        "string": ["study", "trial_id", "config_id", "parent_id", "status", "worker", "error", "hp:optimizer"],
        "Int64": ["iteration", "bracket", "rung", "attempts", "best_epoch", "parameters", "macs", "hp:aspp_rate"],
        "float64": ["score", "train_seconds", "hp:learning_rate", "metric:val_loss"],
        "boolean": ["hp:aspp_pooling"],
        "datetime64[ns, UTC]": ["started", "finished"],
    }
    assert {name: str(trials[name].dtype) for names in types.values() for name in names} == {
        name: dtype for dtype, names in types.items() for name in names
    }
    assert str(epochs["epoch"].dtype) == "Int64"
    text = {"study", "trial_id", "config_id", "epoch"}
    assert {str(epochs[name].dtype) for name in epochs.columns if name not in text} == {"float64"}
    assert trials["bracket"].isna().sum() == 1, "the baseline's"
    assert trials.loc[trials["hp:aspp_branches"] == 0, "hp:aspp_rate"].isna().all(), "empty, not zero"


def test_values_are_those_of_the_files(study: Study, loaded: results.Results) -> None:
    for row, (_, found) in zip(read_csv(study.trials_csv), loaded.trials.iterrows(), strict=True):
        for name, text in row.items():
            value = found[name]
            if text == "":
                assert pd.isna(value), name
            elif name in ("started", "finished"):
                assert value == pd.Timestamp(text)
            elif isinstance(value, str | bool):
                assert str(value) == text, name
            else:
                assert float(value) == float(text), name


def test_ids_that_look_like_numbers_stay_text(study: Study, tmp_path: Path) -> None:
    copy = Study(tmp_path / "numbers")
    copy.folder.mkdir()
    copy.config_file.write_bytes(study.config_file.read_bytes())
    copy.trials_csv.write_text("trial_id,config_id,status,score\n0001-0,12345678,completed,0.5\n0002-0,1e500000,torn,")
    trials, epochs = results.load(copy.folder)
    assert list(trials["config_id"]) == ["12345678"], "and the torn last line is left out"
    assert list(epochs.columns) == loaded_columns(study)
    assert len(epochs) == 0


def loaded_columns(study: Study) -> list[str]:
    return list(results.load(study.folder).epochs.columns)


def test_several_studies_at_once(study: Study, tmp_path: Path) -> None:
    other = History(tmp_path / "two", max_epochs=3, seed=5).write(4, running=1, pictures=False)
    trials, epochs = results.load(str(study.folder), other.folder)
    assert list(trials["study"].unique()) == ["one", "two"]
    assert (trials["study"] == "two").sum() == 4
    assert str(trials["hp:aspp_rate"].dtype) == "Int64"
    alone = results.load(other.folder).epochs
    assert len(epochs[epochs["study"] == "two"]) == len(alone)


def test_mistakes(study: Study, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no study folder is given"):
        results.load()
    with pytest.raises(UserError, match="holds no study"):
        results.load(tmp_path)
    with pytest.raises(UserError, match=re.escape("two of these studies have one name")):
        results.load(study.folder, study.folder)
