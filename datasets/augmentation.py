"""Random transformations of images together with their masks, determined only by a seed."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

AUGMENTATIONS = ("none", "flip", "standard", "strong")

# The area outside an image is filled with mid-grey, close to the mean of most data, and ignored in the mask.
_OUTSIDE = 128.0


class _BatchSeeds(keras.random.SeedGenerator):
    """Seeds for Keras's layers, derived from the seed of a batch instead of a state that advances with each call."""

    def __init__(self, seed: tf.Tensor) -> None:
        # No super().__init__(): it would create the state variable that this class exists to avoid.
        self._seed = seed
        self._drawn = 0

    def next(self, ordered: bool = True) -> tf.Tensor:
        self._drawn += 1
        return tf.convert_to_tensor(tf.random.fold_in(self._seed, self._drawn))


class Augmentation:
    """One of `AUGMENTATIONS`, as a function of a batch and a seed.

    "flip" mirrors left and right; "standard" adds a zoom (0.6 to 1.3 of the field of view) and a shift (up to 10 %);
    "strong" adds brightness, contrast and saturation. Images are interpolated, masks use the nearest pixel; pixels from
    outside the image become `ignore_index`.
    """

    def __init__(self, name: str, ignore_index: int) -> None:
        if name not in AUGMENTATIONS:
            raise ValueError(f"Augmentation {name!r} is not known; expected one of: {', '.join(AUGMENTATIONS)}.")
        level = AUGMENTATIONS.index(name)
        shape_layers = _shape_layers(_OUTSIDE)[: (0, 1, 3, 3)[level]]
        # The same transformations for the masks: these layers differ only in their fill value.
        mask_layers = _shape_layers(float(ignore_index))[: len(shape_layers)]
        self._shape_layers = list(zip(shape_layers, mask_layers, strict=True))
        self._color_layers = _color_layers() if name == "strong" else []

    def __call__(self, images: tf.Tensor, masks: tf.Tensor, seed: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Transform images (uint8 [B, H, W, 3]) and masks (uint8 [B, H, W]) by `seed` (int32 [2]); types are kept."""
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
        # A pair, because a single number would only ever raise the contrast.
        keras.layers.RandomContrast((0.3, 0.3), value_range=(0, 255), dtype="float32"),
        # These factors f scale the saturation by f / (1 - f), that is, by 0.54 to 1.86. The result is clipped to
        # `value_range`, which is 0 to 1 because saturation is at most 1.
        keras.layers.RandomSaturation((0.35, 0.65), value_range=(0, 1), dtype="float32"),
    ]
