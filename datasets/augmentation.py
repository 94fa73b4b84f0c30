"""Random changes of images and their masks together, decided by a seed alone."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

AUGMENTATIONS = ("none", "flip", "standard", "strong")

# What lies outside an image is mid-grey, near the mean of most data, and ignored in the mask.
_OUTSIDE = 128.0


class _BatchSeeds(keras.random.SeedGenerator):
    """Seeds for Keras's layers, derived from one seed of the batch rather than from a state that calls advance."""

    def __init__(self, seed: tf.Tensor) -> None:
        # The base class would make the variable that this class exists to avoid.
        self._seed = seed
        self._drawn = 0

    def next(self, ordered: bool = True) -> tf.Tensor:
        self._drawn += 1
        return tf.convert_to_tensor(tf.random.fold_in(self._seed, self._drawn))


class Augmentation:
    """One of `AUGMENTATIONS`, as a function of a batch and a seed.

    "flip" mirrors left and right; "standard" adds a zoom (0.6 to 1.3 of what is seen) and a shift (up to 10 %);
    "strong" adds brightness, contrast and saturation. Images are interpolated, masks take the nearest pixel; what
    comes from outside the image becomes `ignore_index`.
    """

    def __init__(self, name: str, ignore_index: int) -> None:
        if name not in AUGMENTATIONS:
            raise ValueError(f"Augmentation {name!r} is not known; expected one of: {', '.join(AUGMENTATIONS)}.")
        level = AUGMENTATIONS.index(name)
        shape_layers = _shape_layers(_OUTSIDE)[: (0, 1, 3, 3)[level]]
        # The same transformations for the masks: layers that differ in what they fill in alone.
        mask_layers = _shape_layers(float(ignore_index))[: len(shape_layers)]
        self._shape_layers = list(zip(shape_layers, mask_layers, strict=True))
        self._color_layers = _color_layers() if name == "strong" else []

    def __call__(self, images: tf.Tensor, masks: tf.Tensor, seed: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Images uint8 [B, H, W, 3] and masks uint8 [B, H, W], changed as `seed` (int32 [2]) says; types are kept."""
        if not self._shape_layers:
            return images, masks
        seeds = _BatchSeeds(seed)
        changed = tf.cast(images, tf.float32)
        labels = tf.cast(tf.expand_dims(masks, -1), tf.float32)
        for layer, mask_layer in self._shape_layers:
            transformation = layer.get_random_transformation(changed, seed=seeds)
            changed = layer.transform_images(changed, transformation)
            labels = mask_layer.transform_segmentation_masks(labels, transformation)
        for layer in self._color_layers:
            changed = layer.transform_images(changed, layer.get_random_transformation(changed, seed=seeds))
        return tf.saturate_cast(tf.round(changed), tf.uint8), tf.cast(tf.squeeze(labels, -1), tf.uint8)


def _shape_layers(fill: float) -> list[Any]:
    options: dict[str, Any] = {"fill_mode": "constant", "fill_value": fill, "dtype": "float32"}
    return [
        keras.layers.RandomFlip("horizontal", dtype="float32"),
        keras.layers.RandomZoom((-0.4, 0.3), **options),
        keras.layers.RandomTranslation(0.1, 0.1, **options),
    ]


def _color_layers() -> list[Any]:
    return [
        keras.layers.RandomBrightness(0.15, value_range=(0, 255), dtype="float32"),
        # Two numbers: one alone would only ever raise the contrast.
        keras.layers.RandomContrast((0.3, 0.3), value_range=(0, 255), dtype="float32"),
        # Saturation f/(1-f) lies between 0.54 and 1.86. It is clipped to `value_range`, and is itself at most 1.
        keras.layers.RandomSaturation((0.35, 0.65), value_range=(0, 1), dtype="float32"),
    ]
