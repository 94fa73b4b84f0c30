"""Every loss equals its formula in NumPy, leaves ignored pixels out, and stays finite."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from deeplab.losses import LOSSES, balanced_weights, make_loss

VOID = 255
Array = np.ndarray


def softmax(logits: Array) -> Array:
    """Probabilities of all classes `[P, C]`; of background and object with one output."""
    logits = logits.astype(np.float64)
    if logits.shape[1] == 1:
        logits = np.concatenate([np.zeros_like(logits), logits], axis=1)
    shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
    return shifted / shifted.sum(axis=1, keepdims=True)


def crossentropy(labels: Array, logits: Array) -> Array:
    logits = logits.astype(np.float64)
    if logits.shape[1] == 1:
        logits = np.concatenate([np.zeros_like(logits), logits], axis=1)
    top = logits.max(axis=1)
    return top + np.log(np.exp(logits - top[:, None]).sum(axis=1)) - logits[np.arange(len(labels)), labels]


def dice(labels: Array, logits: Array) -> float:
    found, outputs = softmax(logits), logits.shape[1]
    losses = []
    for number in [1] if outputs == 1 else range(outputs):
        truth = labels == number
        if truth.any():
            overlap = 2 * found[truth, number].sum() / (found[:, number].sum() + truth.sum())
            losses.append(1 - overlap)
    return float(np.mean(losses)) if losses else 0.0


def jaccard_extension(errors: Array, truth: Array) -> float:
    """The definition: the errors, largest first, by what each adds to the Jaccard loss of the set of wrong pixels."""
    total, before, wrong = 0.0, 0.0, np.zeros(len(errors), bool)
    for pixel in np.argsort(-errors, kind="stable"):
        wrong[pixel] = True
        union = (truth | wrong).sum()
        loss = 1 - (truth & ~wrong).sum() / union
        total, before = total + errors[pixel] * (loss - before), loss
    return total


def lovasz(labels: Array, logits: Array) -> float:
    if logits.shape[1] == 1:
        margins = np.maximum(0, 1 - logits[:, 0].astype(np.float64) * (2 * labels - 1))
        return jaccard_extension(margins, labels == 1)
    found = softmax(logits)
    losses = [
        jaccard_extension(np.abs((labels == number) - found[:, number]), labels == number)
        for number in range(logits.shape[1])
        if (labels == number).any()
    ]
    return float(np.mean(losses)) if losses else 0.0


def hard(labels: Array, logits: Array) -> float:
    losses = crossentropy(labels, logits)
    least = int(np.ceil(np.float32(0.25) * len(losses)))
    lowest = min(np.sort(losses)[::-1][max(least - 1, 0)], -np.log(0.7))
    return float(losses[losses >= lowest - 1e-6].mean())


def expected(name: str, labels: Array, logits: Array, pixels: tuple[int, ...]) -> float:
    """The loss of labelled pixels `[P]` with logits `[P, outputs]`."""
    if not len(labels):
        return 0.0
    losses = crossentropy(labels, logits)
    if name == "weighted_crossentropy":
        weights = np.array(balanced_weights(pixels))[labels]
        return float((losses * weights).sum() / weights.sum())
    if name == "focal":
        return float(((1 - np.exp(-losses)) ** 2 * losses).mean())
    of_region = {"dice": dice, "lovasz": lovasz, "ohem": hard, "crossentropy+dice": dice}
    region = of_region[name](labels, logits) if name in of_region else 0.0
    return region + (float(losses.mean()) if name.startswith("crossentropy") else 0.0)


def loss_and_gradient(name: str, labels: Array, logits: Any, pixels: tuple[int, ...]) -> tuple[float, Array]:
    variable = tf.Variable(logits)
    with tf.GradientTape() as tape:
        loss = make_loss(name, logits.shape[-1], VOID, pixels)(labels, variable)
    return float(loss), np.asarray(tf.cast(tape.gradient(loss, variable), tf.float32))


@pytest.mark.parametrize("name", LOSSES)
@settings(deadline=None, max_examples=20)
@given(
    classes=st.sampled_from([1, 2, 4]),
    scale=st.sampled_from([0.1, 3.0, 40.0]),
    ignored=st.sampled_from([0.0, 0.3, 1.0]),
    seed=st.integers(0, 1000),
)
def test_equals_its_formula(name: str, classes: int, scale: float, ignored: float, seed: int) -> None:
    random = np.random.default_rng(seed)
    labels = random.integers(0, max(2, classes), (2, 5, 4))
    logits = random.normal(scale=scale, size=(2, 5, 4, classes)).astype(np.float32)
    void = random.random(labels.shape) < ignored
    pixels = tuple(random.integers(1, 1000, max(2, classes)).tolist())
    loss, gradient = loss_and_gradient(name, np.where(void, VOID, labels), logits, pixels)
    assert loss == pytest.approx(expected(name, labels[~void], logits[~void], pixels), rel=1e-4, abs=1e-6)
    assert np.isfinite(gradient).all()
    assert not gradient[void].any()


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32"])
@pytest.mark.parametrize("classes", [1, 3])
@pytest.mark.parametrize("name", LOSSES)
def test_is_finite_and_learns_where_it_is_certainly_wrong(name: str, classes: int, dtype: str) -> None:
    labels = np.ones((1, 4, 4), np.uint8)
    logits = tf.cast(np.full((1, 4, 4, classes), -30.0), dtype).numpy()
    if classes > 1:
        logits[..., 0] = 30
    loss, gradient = loss_and_gradient(name, labels, logits, (5,) * max(2, classes))
    assert np.isfinite(loss)
    assert np.isfinite(gradient).all()
    if "crossentropy" in name or name in ("focal", "ohem"):
        assert (gradient[..., min(1, classes - 1)] < 0).all()


@pytest.mark.parametrize("classes", [1, 3])
@pytest.mark.parametrize("name", LOSSES)
def test_of_nothing_is_nothing(name: str, classes: int) -> None:
    labels = np.full((2, 3, 3), VOID, np.uint8)
    loss, gradient = loss_and_gradient(name, labels, np.zeros((2, 3, 3, classes), np.float32), (1,) * max(2, classes))
    assert loss == 0
    assert not gradient.any()


def test_rare_classes_weigh_more_within_bounds() -> None:
    assert balanced_weights([100, 100, 50]) == [1, 1, 2]
    assert balanced_weights([100_000, 1, 0]) == pytest.approx([0.500005, 10, 1])
    with pytest.raises(ValueError, match="class_pixels must name 3 counts; got 1"):
        make_loss("weighted_crossentropy", 3, VOID, [1])
