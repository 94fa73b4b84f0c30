"""The loss: equal to Keras's on labelled pixels, zero on all others."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from deeplab.losses import MaskedCrossentropy

VOID = 255


def batch(classes: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Labels `[2, 5, 7]` and logits `[2, 5, 7, classes]`."""
    random = np.random.default_rng(seed)
    logits = random.normal(scale=3, size=(2, 5, 7, classes)).astype("float32")
    return random.integers(0, max(classes, 2), (2, 5, 7)), logits


def keras_loss(classes: int, labels: np.ndarray, logits: np.ndarray) -> float:
    if classes == 1:
        return float(keras.losses.BinaryCrossentropy(from_logits=True)(labels[..., None], logits))
    return float(keras.losses.SparseCategoricalCrossentropy(from_logits=True)(labels, logits))


@pytest.mark.parametrize("classes", [1, 2, 5])
@pytest.mark.parametrize("dtype", ["uint8", "int64", "float32"])
def test_equals_keras_where_every_pixel_is_labelled(classes: int, dtype: str) -> None:
    labels, logits = batch(classes)
    loss = float(MaskedCrossentropy(classes)(labels.astype(dtype), logits))
    assert loss == pytest.approx(keras_loss(classes, labels, logits), rel=1e-5)


@pytest.mark.parametrize("classes", [1, 5])
@pytest.mark.parametrize("ignored", [VOID, 200, -1])
def test_pixels_without_a_class_have_no_loss_and_no_gradient(classes: int, ignored: int) -> None:
    labels, logits = batch(classes)
    void = np.random.default_rng(1).random(labels.shape) < 0.4
    variable = tf.Variable(tf.constant(logits))
    with tf.GradientTape() as tape:
        loss = MaskedCrossentropy(classes)(np.where(void, ignored, labels), variable)
    gradient = np.asarray(tape.gradient(loss, variable))
    assert not gradient[void].any()
    assert gradient[~void].all()
    kept = labels[~void][None, None], logits[~void][None, None]
    assert float(loss) == pytest.approx(keras_loss(classes, *kept), rel=1e-5), "they do not count in the mean either"


@pytest.mark.parametrize("classes", [1, 5])
def test_it_takes_logits_not_probabilities(classes: int) -> None:
    """A confident, correct answer costs nothing; read as probabilities, it would still cost much."""
    labels, _ = batch(classes)
    right = np.eye(max(classes, 2), dtype="float32")[labels][..., -classes:]
    assert float(MaskedCrossentropy(classes)(labels, 40 * right - 20)) == pytest.approx(0, abs=1e-6)
    assert float(MaskedCrossentropy(classes)(labels, right)) > 0.3


def test_the_ignored_label_may_be_one_of_the_classes() -> None:
    labels, logits = batch(3)
    kept = labels != 0
    expected = keras_loss(3, labels[kept][None, None], logits[kept][None, None])
    assert float(MaskedCrossentropy(3, ignore_index=0)(labels, logits)) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("classes", [1, 5])
def test_nothing_labelled_is_no_loss(classes: int) -> None:
    _, logits = batch(classes)
    variable = tf.Variable(tf.constant(logits))
    with tf.GradientTape() as tape:
        loss = MaskedCrossentropy(classes)(np.full((2, 5, 7), VOID), variable)
    assert float(loss) == 0.0
    assert not np.asarray(tape.gradient(loss, variable)).any()


@pytest.mark.parametrize("classes", [1, 2])
@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_large_logits_stay_finite(classes: int, dtype: str) -> None:
    sides = np.array([3e4, -3e4]).astype(dtype)
    # Binary: the only logit; two classes: the difference of the logits.
    logits: Any = sides[:, None] if classes == 1 else np.stack([np.zeros(2, dtype), sides], axis=-1)
    logits = tf.Variable(logits[None, None])
    for labels, expected in (([1, 0], 0.0), ([0, 1], 3e4)):
        with tf.GradientTape() as tape:
            loss = MaskedCrossentropy(classes)(np.array([[labels]]), logits)
        assert loss.dtype == "float32"
        assert float(loss) == pytest.approx(expected, rel=1e-3, abs=1e-6)
        assert np.isfinite(np.asarray(tape.gradient(loss, logits))).all()


def test_config_makes_the_same_loss() -> None:
    loss = MaskedCrossentropy(3, ignore_index=7)
    again = MaskedCrossentropy.from_config(loss.get_config())
    assert (again.classes, again.ignore_index, again.name) == (3, 7, "masked_crossentropy")
