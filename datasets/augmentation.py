"""Random transformations of images together with their masks, determined only by a seed."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from datasets.framing import OUTSIDE

AUGMENTATIONS = ("none", "flip", "standard", "strong", "scale")


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
    "strong" adds brightness, contrast and, to images of three channels, saturation; "scale" mirrors and zooms (0.5 to 2
    times as large). Images are interpolated, masks use the nearest pixel; pixels from outside the image are mid-grey,
    and ignored in the mask. Classes that change places in a mirror do so in the mask.

    Args:
        name: of the policy.
        ignore_index: of the masks.
        channels: of the images.
        mirror: pairs of class ids that change places in a mirror.
    """

    def __init__(
        self, name: str, ignore_index: int, channels: int = 3, mirror: tuple[tuple[int, int], ...] = ()
    ) -> None:
        if name not in AUGMENTATIONS:
            raise ValueError(f"Augmentation {name!r} is not known; expected one of: {', '.join(AUGMENTATIONS)}.")
        shape_layers = _shape_layers(name, float(OUTSIDE))
        # The same transformations for the masks: these layers differ only in their fill value.
        mask_layers = _shape_layers(name, float(ignore_index))
        self._shape_layers = list(zip(shape_layers, mask_layers, strict=True))
        self._color_layers = _color_layers(channels) if name == "strong" else []
        self._mirrored = _mirrored_ids(mirror)

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
            if self._mirrored is not None and isinstance(layer, keras.layers.RandomFlip):
                labels = tf.where(transformation["flips"], tf.gather(self._mirrored, tf.cast(labels, tf.int32)), labels)
        for layer in self._color_layers:
            changed = layer.transform_images(changed, layer.get_random_transformation(changed, seed=seeds))
        # Interpolated colours are fractions, which a cast alone would round down; labels are whole already.
        return tf.saturate_cast(tf.round(changed), tf.uint8), tf.cast(tf.squeeze(labels, -1), tf.uint8)


def _shape_layers(name: str, fill: float) -> list[Any]:
    # float32 whatever the global policy, because half precision would round pixel values.
    options: dict[str, Any] = {"fill_mode": "constant", "fill_value": fill, "dtype": "float32"}
    flip = keras.layers.RandomFlip("horizontal", dtype="float32")
    if name in ("none", "flip"):
        return [flip][: name == "flip"]
    if name == "scale":
        # Factors of the field of view, which is the inverse of the size.
        return [flip, keras.layers.RandomZoom((-0.5, 1.0), **options)]
    return [
        flip,
        keras.layers.RandomZoom((-0.4, 0.3), **options),
        keras.layers.RandomTranslation(0.1, 0.1, **options),
    ]


def _color_layers(channels: int) -> list[Any]:
    layers = [
        keras.layers.RandomBrightness(0.15, value_range=(0, 255), dtype="float32"),
        # A pair, because a single number would only ever raise the contrast.
        keras.layers.RandomContrast((0.3, 0.3), value_range=(0, 255), dtype="float32"),
    ]
    if channels != 3:
        return layers
    # These factors f scale the saturation by f / (1 - f), that is, by 0.54 to 1.86. The result is clipped to
    # `value_range`, which is 0 to 1 because saturation is at most 1.
    return [*layers, keras.layers.RandomSaturation((0.35, 0.65), value_range=(0, 1), dtype="float32")]


def _mirrored_ids(pairs: tuple[tuple[int, int], ...]) -> tf.Tensor | None:
    """What each of the 256 ids becomes in a mirror; None where that changes none."""
    if not pairs:
        return None
    ids = list(range(256))
    for first, second in pairs:
        ids[first], ids[second] = second, first
    return tf.constant(ids, tf.float32)
