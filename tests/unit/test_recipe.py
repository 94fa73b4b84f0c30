"""The recipe: refused values, the learning-rate schedule, and what `compile_model` prepares."""

from __future__ import annotations

from typing import Any, get_args

import keras
import numpy as np
import pytest
from pydantic import ValidationError

from datasets.augmentation import AUGMENTATIONS
from hyperparameters.dimensions import CATALOGUE
from recipe import Recipe, compile_model, make_optimizer


def rates(recipe: Recipe, total_steps: int, steps: list[int]) -> list[float]:
    """The learning rate that the optimizer uses at each step."""
    optimizer = make_optimizer(recipe, total_steps)
    found = []
    for step in steps:
        optimizer.iterations.assign(step)
        found.append(float(keras.ops.convert_to_numpy(optimizer.learning_rate)))
    return found


def test_poly_is_deeplabs_curve() -> None:
    steps = [0, 1, 250, 500, 999, 1000, 2000]
    expected = [0.01 * max(0.0, 1 - step / 1000) ** 0.9 for step in steps]
    np.testing.assert_allclose(rates(Recipe(learning_rate=0.01), 1000, steps), expected, rtol=1e-4, atol=1e-9)


def test_constant_stays() -> None:
    assert rates(Recipe(learning_rate=0.5, schedule="constant"), 10, [0, 5, 50]) == [0.5] * 3


@pytest.mark.parametrize(
    ("name", "kind"),
    [("adamw", keras.optimizers.AdamW), ("adam", keras.optimizers.Adam), ("sgd", keras.optimizers.SGD)],
)
def test_optimizers(name: Any, kind: Any) -> None:
    optimizer = make_optimizer(Recipe(optimizer=name, weight_decay=0.25), 10)
    assert type(optimizer) is kind
    assert optimizer.weight_decay == (0.0 if name == "adam" else 0.25), "adam is adamw without decay"
    if name == "sgd":
        assert optimizer.momentum == 0.9


@pytest.mark.parametrize(
    "field",
    [
        {"optimizer": "lion"},
        {"learning_rate": 0.0},
        {"learning_rate": 11.0},
        {"learning_rate": float("nan")},
        {"learning_rate": "0.1"},
        {"weight_decay": 1.0},
        {"weight_decay": -0.1},
        {"schedule": "linear"},
        {"loss": "tversky"},
        {"encoder_learning_rate": 0.0},
        {"warmup_epochs": -1},
        {"clip_norm": -1.0},
        {"ema": 1},
        {"weight_decay_on": "biases"},
        {"batch_size": 0},
        {"batch_size": True},
        {"batch_size": 2.0},
        {"freeze_encoder_epochs": -1},
        {"augment": "all"},
        {"precision": "float64"},
        {"momentum": 0.9},
    ],
)
def test_bad_values_are_refused(field: dict[str, Any]) -> None:
    with pytest.raises(ValidationError) as caught:
        Recipe(**field)
    (error,) = caught.value.errors()
    assert error["loc"] == tuple(field)


def test_frozen_and_hashable() -> None:
    recipe = Recipe()
    with pytest.raises(ValidationError, match="frozen"):
        recipe.batch_size = 4
    assert len({recipe, Recipe(), Recipe(batch_size=4)}) == 2


@pytest.mark.parametrize("classes", [1, 3])
def test_a_compiled_model_is_ready_to_train_or_to_restore(classes: int) -> None:
    inputs = keras.Input((4, 4, 3))
    model = keras.Model(inputs, keras.layers.Conv2D(classes, 1)(inputs))
    compile_model(model, Recipe(learning_rate=0.1), classes=classes, ignore_index=9, total_steps=10)
    assert model.optimizer.built
    images = np.random.default_rng(0).random((2, 4, 4, 3), "float32")
    before = model.get_weights()
    void = model.fit(images, np.full((2, 4, 4), 9), shuffle=False, verbose=0).history
    assert (void["loss"], void["mean_iou"]) == ([0.0], [0.0]), "the ignored label is the one that was asked for"
    history = model.fit(images, np.zeros((2, 4, 4), int), shuffle=False, verbose=0).history
    assert history["loss"][0] > 0
    assert int(model.optimizer.iterations) == 2
    assert any((one != other).any() for one, other in zip(before, model.get_weights(), strict=True))


@pytest.mark.parametrize("name", [name for name in Recipe.model_fields if name in CATALOGUE])
def test_whatever_the_space_offers_of_a_training_choice_a_recipe_takes(name: str) -> None:
    entry = CATALOGUE[name]
    assert entry.tutorial == Recipe.model_fields[name].default
    ends = [end for end in (entry.low, entry.high) if end != float("inf")]
    if entry.kind == "bool":
        ends = [False, True]
    for value in entry.allowed or (int(end) if entry.kind == "int" else end for end in ends):
        assert getattr(Recipe.model_validate({name: value}), name) == value


def test_a_recipe_names_the_augmentations_that_there_are() -> None:
    assert get_args(Recipe.model_fields["augment"].annotation) == AUGMENTATIONS
