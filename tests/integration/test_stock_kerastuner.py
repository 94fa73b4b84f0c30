from __future__ import annotations

from pathlib import Path

import keras
import keras_tuner
import pandas as pd
import pytest

from recipe import Recipe
from space import DeepLabHyperModel, Space
from tests.integration.program import Table, listing


@pytest.fixture
def tuner(study_copy: Path, tiny: Table) -> keras_tuner.Hyperband:
    """Stock KerasTuner, opened on a finished study; stock KerasTuner writes to what it opens, so on a copy."""
    ranges = {key: value for key, value in tiny["space"].items() if key != "encoder_weights"}
    space = Space.parse(ranges, recipe=Recipe(**tiny["recipe"]), image_size=(64, 64))
    return keras_tuner.Hyperband(
        DeepLabHyperModel(space, classes=6),
        objective=keras_tuner.Objective("val_mean_iou", "max"),
        max_epochs=tiny["hyperband"]["max_epochs"],
        factor=tiny["hyperband"]["factor"],
        directory=str(study_copy.parent),
        project_name=study_copy.name,
    )


def test_stock_kerastuner_lists_the_same_trials_hyperparameters_and_scores(
    tuner: keras_tuner.Hyperband, study: Path
) -> None:
    rows = pd.read_csv(study / "trials.csv").set_index("trial_id")
    trials = tuner.oracle.trials
    assert set(trials) == set(rows.index)
    for name, trial in trials.items():
        assert trial.status == "COMPLETED"
        assert trial.score == pytest.approx(rows.loc[name, "score"])
        values = {key: value for key, value in trial.hyperparameters.values.items() if not key.startswith("tuner/")}
        told = {str(column).removeprefix("hp:"): value for column, value in rows.filter(like="hp:").loc[name].items()}
        assert values == pytest.approx({key: value for key, value in told.items() if pd.notna(value)})


def test_stock_kerastuner_ranks_them_the_same(tuner: keras_tuner.Hyperband, study: Path) -> None:
    rows = pd.read_csv(study / "trials.csv").sort_values("score", ascending=False)
    assert [trial.trial_id for trial in tuner.oracle.get_best_trials(len(rows))] == list(rows["trial_id"])


def test_stock_kerastuner_builds_a_trial_again(tuner: keras_tuner.Hyperband, study: Path) -> None:
    rows = pd.read_csv(study / "trials.csv").set_index("trial_id")
    name = str(rows.drop("baseline")["score"].idxmax())
    model = tuner.hypermodel.build(tuner.oracle.trials[name].hyperparameters)
    assert isinstance(model, keras.Model)
    assert model.count_params() == rows.loc[name, "parameters"]


# keras_tuner.src.engine.oracle asks for the current thread by old names.
@pytest.mark.filterwarnings("ignore:(currentThread|getName).. is deprecated:DeprecationWarning")
def test_stock_kerastuner_has_nothing_more_to_run(tuner: keras_tuner.Hyperband, study_copy: Path) -> None:
    before = set(listing(study_copy))
    assert tuner.oracle.create_trial("another").status == "STOPPED"
    assert {name for name in listing(study_copy) if name.endswith("trial.json")} <= before
