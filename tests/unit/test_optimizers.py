"""What a recipe makes of Keras's optimizers."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from datasets.formats import open_dataset
from deeplab import Architecture, encoder_layers
from deeplab.optimizers import averaged_weights
from recipe import EMA_MOMENTUM, Recipe, make_schedule

TINY = Architecture(
    encoder="MobileNetV2",
    output_stride=8,
    aspp_tap="block_3_project_BN",
    aspp_rates=(2,),
    aspp_filters=8,
    decoder_depth=0,
)


def rates(steps: list[int], **recipe: Any) -> list[float]:
    schedule = make_schedule(Recipe(learning_rate=0.8, **recipe), 100, recipe.get("warmup_epochs", 0) * 10)
    return [float(schedule(step)) if callable(schedule) else schedule for step in steps]


def test_schedules_are_their_formulas() -> None:
    steps = [0, 25, 50, 99]
    assert rates(steps) == pytest.approx([0.8 * (1 - step / 100) ** 0.9 for step in steps], rel=1e-5)
    cosine = [0.4 * (1 + math.cos(math.pi * step / 100)) for step in steps]
    assert rates(steps, schedule="cosine") == pytest.approx(cosine, rel=1e-4)
    assert rates(steps, schedule="constant") == [0.8] * 4


@pytest.mark.parametrize("schedule", ["poly", "cosine", "constant"])
def test_a_warm_up_rises_to_the_schedule(schedule: str) -> None:
    steps = [0, 4, 9, 10, 50]
    plain, warm = rates(steps, schedule=schedule), rates(steps, schedule=schedule, warmup_epochs=1)
    assert warm == pytest.approx([rate * share for rate, share in zip(plain, [0.1, 0.5, 1, 1, 1], strict=True)])


def trainer_of(**recipe: Any) -> Any:
    from search.trial.training import Trainer

    data = open_dataset("synthetic", image_size=(32, 32), train_images=8, val_images=4)
    given = {"batch_size": 4, "augment": "none", **recipe}
    return Trainer(TINY, Recipe(**given), data, (32, 32), max_epochs=4, encoder_weights=None, seed=1)


def change(trainer: Any) -> tuple[np.ndarray, np.ndarray]:
    """How far the encoder's and the head's kernels move in an epoch."""
    encoder = {id(variable) for layer in encoder_layers(trainer.model) for variable in layer.trainable_variables}
    kernels = [variable for variable in trainer.model.trainable_variables if len(variable.shape) > 1]
    before = [variable.numpy() for variable in kernels]
    trainer.train_epoch(1)
    moved = [np.abs(new.numpy() - old).mean() for new, old in zip(kernels, before, strict=True)]
    inside = np.array([id(variable) in encoder for variable in kernels])
    return np.array(moved)[inside], np.array(moved)[~inside]


@pytest.mark.parametrize("optimizer", ["adamw", pytest.param("sgd", marks=pytest.mark.grid)])
def test_the_encoder_learns_at_its_own_rate(optimizer: str) -> None:
    fast_encoder, fast_head = change(trainer_of(optimizer=optimizer, weight_decay=0.0))
    slow_encoder, slow_head = change(trainer_of(optimizer=optimizer, weight_decay=0.0, encoder_learning_rate=0.01))
    assert (slow_encoder < 0.1 * fast_encoder).all()
    assert (slow_head > 0.3 * fast_head).all()


def test_weight_decay_may_leave_out_normalisation_and_biases() -> None:
    for where in ("all", "kernels"):
        model = trainer_of(weight_decay_on=where).model
        decayed = [model.optimizer._use_weight_decay(variable) for variable in model.trainable_variables]
        expected = [where == "all" or len(variable.shape) > 1 for variable in model.trainable_variables]
        assert decayed == expected


def test_the_gradient_is_clipped_as_a_whole() -> None:
    assert trainer_of(clip_norm=0.5).model.optimizer.global_clipnorm == 0.5
    assert trainer_of().model.optimizer.global_clipnorm is None


def weights_of(model: keras.Model) -> list[np.ndarray]:
    return [variable.numpy() for variable in model.trainable_variables]


def test_averaged_weights_are_validated_and_training_goes_on_without_them() -> None:
    """The averages follow the weights; with equal seeds, training is the same with and without them."""
    plain, averaged = trainer_of(), trainer_of(ema=True)
    rows = [[trainer.train_epoch(epoch).row for epoch in (1, 2)] for trainer in (plain, averaged)]
    for one, other in zip(weights_of(plain.model), weights_of(averaged.model), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-4)
    assert rows[0][1]["loss"] == pytest.approx(rows[1][1]["loss"], rel=1e-3)
    assert rows[0][1]["val_loss"] != rows[1][1]["val_loss"]
    before = weights_of(averaged.model)
    with averaged_weights(averaged.model):
        inside = weights_of(averaged.model)
    assert all(np.array_equal(one, other) for one, other in zip(before, weights_of(averaged.model), strict=True))
    assert any(not np.array_equal(one, other) for one, other in zip(before, inside, strict=True))
    assert averaged.model.optimizer.ema_momentum == EMA_MOMENTUM


def test_young_averages_forget_faster() -> None:
    trainer = trainer_of(ema=True)
    model, optimizer = trainer.model, trainer.model.optimizer
    expected = weights_of(model)
    for step in range(12):
        optimizer.apply(
            [np.full(variable.shape, 0.1 * step - 0.5, np.float32) for variable in model.trainable_variables]
        )
        momentum = min(EMA_MOMENTUM, step / (9 + step))
        expected = [
            momentum * average + (1 - momentum) * weights
            for average, weights in zip(expected, weights_of(model), strict=True)
        ]
    with averaged_weights(model):
        for found, average in zip(weights_of(model), expected, strict=True):
            np.testing.assert_allclose(found, average, atol=1e-6)


@pytest.mark.parametrize(
    "recipe",
    [
        {"ema": True, "encoder_learning_rate": 0.1, "warmup_epochs": 1, "clip_norm": 1.0, "schedule": "cosine"},
        {"weight_decay_on": "kernels", "loss": "crossentropy+dice", "optimizer": "sgd", "learning_rate": 0.01},
    ],
)
def test_a_restored_training_goes_on_as_if_it_had_not_stopped(recipe: dict[str, Any], tmp_path: Path) -> None:
    first = trainer_of(**recipe)
    first.train_epoch(1)
    first.model.save_weights(tmp_path / "a.weights.h5")
    expected = first.train_epoch(2).row
    second = trainer_of(**recipe)
    second.restore(tmp_path / "a.weights.h5")
    found = second.train_epoch(2).row
    assert found["loss"] == pytest.approx(expected["loss"], rel=1e-5)
    assert found["val_loss"] == pytest.approx(expected["val_loss"], rel=1e-4)
