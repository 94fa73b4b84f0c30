"""Augmentation: images and masks are transformed together, and no label is invented."""

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
    """A horizontal and a vertical ramp show zoom and shift; a seed used twice would correlate the two."""
    height = width = 64
    ramp = np.broadcast_to(np.arange(width, dtype=np.uint8) * 2 + 60, (32, height, width))
    images = np.stack([ramp, ramp.transpose(0, 2, 1), ramp * 0], axis=3)
    changed, _ = apply("standard", tf.constant(images), tf.zeros((32, height, width), tf.uint8))
    middle = changed[:, 32, 32, :2].astype(int)
    assert len(np.unique(middle, axis=0)) > 25
    assert abs(np.corrcoef(np.abs(middle.T - 124))[0, 1]) < 0.6


@pytest.mark.parametrize("name", ["flip", "standard", "strong"])
def test_ignored_pixels_and_the_outside_never_become_a_class(name: str) -> None:
    # Black where ignored, white where class 2: a wrong label would be on dark or grey pixels.
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


def color_changes(images: np.ndarray) -> np.ndarray:
    """The effect of "strong" on images beyond "standard": change of brightness, contrast and colourfulness [3, B]."""

    def measures(batch: np.ndarray) -> np.ndarray:
        pixels = batch.reshape(len(batch), -1, 3).astype(float)
        colourfulness = (pixels.max(axis=2) - pixels.min(axis=2)).mean(axis=1)
        return np.stack([pixels.mean(axis=(1, 2)), pixels.std(axis=(1, 2)), colourfulness + 1])

    masks = tf.zeros(images.shape[:3], tf.uint8)
    plain, plain_labels = apply("standard", tf.constant(images), masks)
    strong, labels = apply("strong", tf.constant(images), masks)
    assert np.array_equal(labels, plain_labels)
    return measures(strong) / measures(plain) - 1


def test_strong_changes_colours_within_bounds_and_in_both_directions() -> None:
    colored = np.random.default_rng(0).integers(60, 190, (64, 16, 16, 3), dtype=np.uint8)
    # On grey images, saturation has no effect, and brightness does not change the contrast.
    grey = np.repeat(colored[..., :1], 3, axis=3)
    brightness, contrast, _ = color_changes(grey)
    _, _, saturation = color_changes(colored)
    for change in (brightness, contrast, saturation):
        assert (change > 0.1).sum() > 8
        assert (change < -0.1).sum() > 8
        assert np.abs(change).max() < 1.5


def test_hues_survive() -> None:
    """Saturation raised beyond its bound would turn orange into red."""
    orange = np.tile(np.array([200, 100, 50], np.uint8), (64, 8, 8, 1))
    strong, _ = apply("strong", tf.constant(orange), tf.zeros((64, 8, 8), tf.uint8))
    red, green, blue = strong[:, 4, 4].astype(float).T
    assert (green - blue) / (red - blue) == pytest.approx(1 / 3, abs=0.03)


def test_the_global_precision_policy_does_not_matter() -> None:
    _, masks = blocks()
    noise = np.random.default_rng(0).integers(0, 256, (*masks.shape, 3), dtype=np.uint8)
    images = tf.constant(noise)
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
