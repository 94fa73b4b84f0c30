"""Checkpoints: the old one whole or the new one whole, with weights, optimizer and history together."""

from __future__ import annotations

import shutil
from pathlib import Path

import keras
import numpy as np
import pytest

from search.trial.checkpoint import STATE, TrainingState, copy_checkpoint, read_state, save_checkpoint, weights_file
from search.trial.weights import _layouts
from tests.faults.trials import assert_same_weights


def small_model(value: float, steps: int = 0) -> keras.Model:
    """A compiled model whose weights all have one value, after so many optimizer steps."""
    inputs = keras.Input((2,))
    model = keras.Model(inputs, keras.layers.Dense(1)(inputs))
    model.compile(keras.optimizers.Adam(0.1), "mse")
    model.optimizer.build(model.trainable_variables)
    model.set_weights([np.full_like(weight, value) for weight in model.get_weights()])
    model.optimizer.iterations.assign(steps)
    return model


def state(epoch: int) -> TrainingState:
    rows = [{"epoch": number, "val_mean_iou": 0.1 * number} for number in range(1, epoch + 1)]
    return TrainingState(epoch, rows, best_epoch=epoch, best_score=0.1 * epoch, train_seconds=1.5)


def value_in(folder: Path) -> float:
    model = small_model(-1.0)
    model.load_weights(weights_file(folder))
    return float(model.get_weights()[0].flat[0])


def test_a_saved_checkpoint_comes_back_with_its_optimizer(tmp_path: Path) -> None:
    folder = tmp_path / "trial" / "last"
    save_checkpoint(folder, small_model(3.0, steps=17), state(2))
    assert read_state(folder) == state(2)
    model = small_model(0.0)
    model.load_weights(weights_file(folder))
    assert model.get_weights()[0].flat[0] == 3.0
    assert int(model.optimizer.iterations) == 17


def test_a_file_written_again_is_what_keras_writes(tmp_path: Path) -> None:
    """Convolutions, batch normalisation, a frozen layer and the optimizer; and Keras reads it."""
    inputs = keras.Input((8, 8, 3))
    outputs = keras.layers.Conv2D(4, 3, name="frozen")(inputs)
    outputs = keras.layers.BatchNormalization()(outputs)
    outputs = keras.layers.Dropout(0.5)(keras.layers.SeparableConv2D(2, 3)(outputs))
    model = keras.Model(inputs, outputs)
    model.get_layer("frozen").trainable = False
    model.compile(keras.optimizers.AdamW(0.1), "mse")
    images = np.random.default_rng(0).random((4, 8, 8, 3), np.float32)
    for epoch in (1, 2, 3):
        model.train_on_batch(images, np.ones((4, 4, 4, 2)))
        save_checkpoint(tmp_path, model, state(epoch))
    model.save_weights(tmp_path / "keras.weights.h5")
    assert_same_weights(tmp_path / "epoch_0003.weights.h5", tmp_path / "keras.weights.h5")
    before = model.get_weights()
    model.train_on_batch(images, np.ones((4, 4, 4, 2)))
    model.load_weights(tmp_path / "epoch_0003.weights.h5")
    for found, expected in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(found, expected)
    assert len(_layouts[model].places) == 2 + 4 + 3 + 2 * 5 + 2, "it was written by Keras each time"


def test_nothing_is_built_upon_a_file_that_another_process_left(tmp_path: Path) -> None:
    model = small_model(1.0)
    save_checkpoint(tmp_path, model, state(1))
    file = tmp_path / "epoch_0001.weights.h5"
    size = file.stat().st_size
    file.rename(tmp_path / "kept")  # so that the next file is another one for certain
    file.write_bytes(bytes(size))
    model.set_weights([np.full_like(weight, 2.0) for weight in model.get_weights()])
    save_checkpoint(tmp_path, model, state(2))
    assert value_in(tmp_path) == 2.0


def test_the_next_epoch_replaces_the_one_before(tmp_path: Path) -> None:
    for epoch in (1, 2, 3):
        save_checkpoint(tmp_path, small_model(epoch), state(epoch))
    assert read_state(tmp_path) == state(3)
    assert value_in(tmp_path) == 3.0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["epoch_0003.weights.h5", STATE]


@pytest.mark.parametrize("interrupted", ["partial", "weights", "torn state beside"])
def test_an_interrupted_save_leaves_the_old_checkpoint_whole(tmp_path: Path, interrupted: str) -> None:
    save_checkpoint(tmp_path / "new", small_model(2.0), state(2))
    folder = tmp_path / "last"
    save_checkpoint(folder, small_model(1.0), state(1))
    new = tmp_path / "new" / "epoch_0002.weights.h5"
    # What lies there when the power goes in the middle of writing, before the switch, or in the middle of it.
    if interrupted == "partial":
        (folder / f"partial-{new.name}").write_bytes(new.read_bytes()[:100])
    else:
        shutil.copy(new, folder)
    if interrupted == "torn state beside":
        (folder / f".{STATE}.1.tmp").write_text('{"weights": "ep')
    assert read_state(folder) == state(1)
    assert value_in(folder) == 1.0
    save_checkpoint(folder, small_model(2.0), state(2))
    assert read_state(folder) == state(2)
    assert len(list(folder.glob("*.weights.h5"))) == 1


def test_a_save_that_fails_before_the_switch_leaves_the_old_checkpoint_whole(tmp_path: Path) -> None:
    save_checkpoint(tmp_path, small_model(1.0), state(1))
    unwritable = TrainingState(2, [{"epoch": object()}])
    with pytest.raises(TypeError, match="JSON"):
        save_checkpoint(tmp_path, small_model(2.0), unwritable)
    assert (tmp_path / "epoch_0002.weights.h5").exists(), "it failed later than the weights"
    assert (read_state(tmp_path), value_in(tmp_path)) == (state(1), 1.0)


@pytest.mark.parametrize("damage", ["no weights", "torn weights"])
def test_without_its_weights_a_checkpoint_still_says_what_was_done(tmp_path: Path, damage: str) -> None:
    save_checkpoint(tmp_path, small_model(1.0), state(1))
    weights = tmp_path / "epoch_0001.weights.h5"
    if damage == "no weights":
        weights.unlink()
    else:
        weights.write_bytes(weights.read_bytes()[:-1])
    assert read_state(tmp_path) == state(1)
    assert weights_file(tmp_path) is None


@pytest.mark.parametrize(
    "content", ["[]", "7", '{"state": {"epoch": "../../x"}}', '{"state": {"epoch": 1, "rows": [{}]}}']
)
def test_a_state_of_another_form_is_none(tmp_path: Path, content: str) -> None:
    save_checkpoint(tmp_path, small_model(1.0), state(1))
    (tmp_path / STATE).write_text(content)
    assert read_state(tmp_path) is None
    assert weights_file(tmp_path) is None


@pytest.mark.parametrize("damage", ["no folder", "torn state", "empty state"])
def test_no_whole_checkpoint_is_none(tmp_path: Path, damage: str) -> None:
    if damage != "no folder":
        save_checkpoint(tmp_path, small_model(1.0), state(1))
    if damage == "torn state":
        text = (tmp_path / STATE).read_text()
        (tmp_path / STATE).write_text(text[: len(text) // 2])
    elif damage == "empty state":
        (tmp_path / STATE).write_text("")
    assert read_state(tmp_path) is None
    assert weights_file(tmp_path) is None


def test_a_copy_outlives_its_source(tmp_path: Path) -> None:
    last, best = tmp_path / "last", tmp_path / "best"
    save_checkpoint(last, small_model(1.0), state(1))
    copy_checkpoint(last, best, state(1))
    copy_checkpoint(last, best, state(1))
    save_checkpoint(last, small_model(2.0), state(2))
    assert (read_state(best), value_in(best)) == (state(1), 1.0)
    assert (read_state(last), value_in(last)) == (state(2), 2.0)
    copy_checkpoint(last, best, state(2))
    shutil.rmtree(last)
    assert (read_state(best), value_in(best)) == (state(2), 2.0)
    assert len(list(best.iterdir())) == 2
    assert weights_file(best) == best / "epoch_0002.weights.h5"
