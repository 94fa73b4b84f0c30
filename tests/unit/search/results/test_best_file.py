"""`best.toml`: pasted into a new study as its header says, it is the same configuration."""

from __future__ import annotations

import tomllib

import keras_tuner
import pytest

from deeplab import Architecture
from recipe import Recipe
from search.oracle.identity import config_id
from search.oracle.trials import StudyTrial
from search.results.best_file import write_best
from search.study.prepare import read_space
from tests.unit.search.conftest import MakeConfig, MakeStudy

RECIPES = {
    "defaults": Recipe(),
    "none of the defaults": Recipe(
        optimizer="sgd",
        learning_rate=0.0123,
        weight_decay=0.002,
        schedule="constant",
        batch_size=3,
        freeze_encoder_epochs=1,
        augment="strong",
        precision="float32",
    ),
    "without weight decay": Recipe(optimizer="adam", weight_decay=0.0, precision="mixed_float16"),
}


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=RECIPES.keys())
@pytest.mark.parametrize(
    "architecture",
    [Architecture(), Architecture(encoder="MobileNetV2", aspp_rates=(), low_level_filters=0, decoder_depth=0)],
    ids=["tutorial", "small"],
)
def test_pasted_as_the_header_says_it_is_the_same_configuration(
    make_study: MakeStudy, make_config: MakeConfig, architecture: Architecture, recipe: Recipe
) -> None:
    study = make_study()
    trial = StudyTrial(keras_tuner.HyperParameters(), trial_id="0000-0", status="COMPLETED")
    trial.score, trial.best_step = 0.5, 1
    trial.record = {"config_id": config_id(architecture, recipe), "parameters": 1, "macs": 1}
    write_best(study, study.config(), trial, architecture, recipe)
    best = tomllib.loads(study.best_file.read_text())

    pasted = make_config(space=best["space"])
    space = read_space(pasted, "pasted")
    assert space.searched == {}
    found = config_id(space.architecture({}), space.recipe_of({}))
    assert found == best["result"]["config_id"]
