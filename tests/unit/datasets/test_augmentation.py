"""Random changes: images and masks move together, and no label is invented."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from datasets.augmentation import AUGMENTATIONS, Augmentation

IGNORED = 255


def blocks(batch: int = 16, height: int = 48, width: int = 64) -> tuple[tf.Tensor, tf.Tensor]:
    """Masks of random blocks of the classes 0-2, and images whose grey value is 100 times the class."""
    cells = np.random.default_rng(0).integers(0, 3, (batch, height // 8, width // 8), dtype=np.uint8)
    masks = np.kron(cells, np.ones((1, 8, 8), np.uint8))
    return tf.constant(np.repeat(masks[..., None] * 100, 3, axis=3)), tf.constant(masks)


def apply(name: str, images: tf.Tensor, masks: tf.Tensor, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    changed, labels = Augmentation(name, IGNORED)(images, masks, tf.constant([seed, 1]))
    return changed.numpy(), labels.numpy()


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_types_and_shapes_are_kept_and_the_seed_decides(name: str) -> None:
    images, masks = blocks()
    first, again, other = (apply(name, images, masks, seed) for seed in (1, 1, 2))
    assert first[0].dtype == first[1].dtype == np.uint8
    assert (first[0].shape, first[1].shape) == (tuple(images.shape), tuple(masks.shape))
    assert np.array_equal(first[0], again[0])
    assert np.array_equal(first[1], again[1])
    assert np.array_equal(first[0], other[0]) == (name == "none")


def test_none_changes_nothing() -> None:
    images, masks = blocks()
    changed, labels = apply("none", images, masks)
    assert np.array_equal(changed, images)
    assert np.array_equal(labels, masks)


def test_flip_mirrors_some_images_with_their_masks() -> None:
    before = blocks()
    images, masks = (part.numpy() for part in before)
    changed, labels = apply("flip", *before)
    mirrored = [not np.array_equal(labels[i], masks[i]) for i in range(16)]
    assert 2 < sum(mirrored) < 14
    for i, flipped in enumerate(mirrored):
        step = -1 if flipped else 1
        assert np.array_equal(labels[i], masks[i][:, ::step])
        assert np.array_equal(changed[i], images[i][:, ::step])


def test_images_and_masks_move_together() -> None:
    changed, labels = apply("standard", *blocks())
    inside = labels != IGNORED
    agree = np.abs(changed[..., 0].astype(int) - labels.astype(int) * 100) < 50
    assert agree[inside].mean() > 0.93
    assert inside.mean() > 0.7


def test_every_image_of_a_batch_moves_its_own_way_and_both_ways() -> None:
    """A horizontal ramp and a vertical one show zoom and shift: seeds used twice would tie the two together."""
    height = width = 64
    ramp = np.broadcast_to(np.arange(width, dtype=np.uint8) * 2 + 60, (32, height, width))
    images = np.stack([ramp, ramp.transpose(0, 2, 1), ramp * 0], axis=3)
    changed, _ = apply("standard", tf.constant(images), tf.zeros((32, height, width), tf.uint8))
    middle = changed[:, 32, 32, :2].astype(int)
    assert len(np.unique(middle, axis=0)) > 25
    assert abs(np.corrcoef(np.abs(middle.T - 124))[0, 1]) < 0.6


@pytest.mark.parametrize("name", ["flip", "standard", "strong"])
def test_ignored_pixels_and_the_outside_never_become_a_class(name: str) -> None:
    # Black where ignored, white where class 2: a wrong label would lie on dark or grey pixels.
    masks = np.full((16, 48, 64), IGNORED, np.uint8)
    masks[:, 16:, 24:] = 2
    images = np.repeat(np.where(masks == 2, 255, 0).astype(np.uint8)[..., None], 3, axis=3)
    for seed in range(4):
        changed, labels = apply(name, tf.constant(images), tf.constant(masks), seed)
        assert set(np.unique(labels)) == {2, IGNORED}
        shade = changed[..., 0].astype(float)
        if name != "strong":
            assert (shade[labels == 2] > 64).mean() > 0.99


def test_what_comes_from_outside_is_ignored() -> None:
    images, masks = tf.fill((32, 48, 64, 3), tf.constant(255, tf.uint8)), tf.ones((32, 48, 64), tf.uint8)
    changed, labels = apply("standard", images, masks)
    assert set(np.unique(labels)) == {1, IGNORED}
    outside = changed[..., 0] == 128
    assert outside.any()
    assert (labels[outside] == IGNORED).mean() > 0.99
    assert (changed[..., 0][labels == 1] > 180).mean() > 0.99


def test_strong_changes_colours_within_bounds_and_in_both_directions() -> None:
    images = np.random.default_rng(0).integers(60, 190, (64, 16, 16, 3), dtype=np.uint8)
    masks = tf.zeros((64, 16, 16), tf.uint8)
    plain, _ = apply("standard", tf.constant(images), masks)
    strong, labels = apply("strong", tf.constant(images), masks)
    _, same_labels = apply("standard", tf.constant(images), masks)
    assert np.array_equal(labels, same_labels)

    def colour(batch: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        pixels = batch.reshape(64, -1, 3).astype(float)
        return pixels.mean(axis=(1, 2)), pixels.std(axis=(1, 2)), (pixels.max(axis=2) - pixels.min(axis=2)).mean(axis=1)

    for before, after in zip(colour(plain), colour(strong), strict=True):
        change = after / before - 1
        assert (change > 0.05).sum() > 5
        assert (change < -0.05).sum() > 5
        assert np.abs(change).max() < 1.5


def test_saturated_colours_survive() -> None:
    """Saturation beyond its bound turns into colours that are not there."""
    images = np.zeros((32, 8, 8, 3), np.uint8)
    images[..., 0] = 200
    strong, _ = apply("strong", tf.constant(images), tf.zeros((32, 8, 8), tf.uint8))
    inner = strong[:, 4, 4].astype(int)
    assert (inner[:, 0] > inner[:, 1]).all()
    assert (np.abs(inner[:, 1] - inner[:, 2]) <= 1).all()


def test_the_global_precision_policy_does_not_matter() -> None:
    images, masks = blocks()
    expected = apply("strong", images, masks)
    keras.mixed_precision.set_global_policy("mixed_float16")
    try:
        under_policy = apply("strong", images, masks)
    finally:
        keras.mixed_precision.set_global_policy("float32")
    assert np.array_equal(expected[0], under_policy[0])
    assert np.array_equal(expected[1], under_policy[1])


def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(ValueError, match="expected one of: none, flip, standard, strong"):
        Augmentation("wild", IGNORED)
