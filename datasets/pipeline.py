"""Batches for training and validation, identical whenever an epoch is repeated."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from datasets.augmentation import AUGMENTATIONS, Augmentation
from datasets.cores import usable_cores
from datasets.crops import RandomCrops
from datasets.dataset import DataError, Dataset, UInt8Array

# Each batch in preparation needs memory for several copies of itself, so there is a limit even with many cores.
_MOST_PARALLEL_BATCHES = 16


class Pipeline:
    """Batches of one split of a dataset.

    Images come in the dataset's framing. Training: each epoch has exactly `steps` full batches in its own order, and
    the images left over differ from epoch to epoch (a split smaller than one batch is one smaller batch). Validation
    (`training=False`): all images in file order, never augmented; the last batch may be smaller. Order, crops and
    augmentation depend only on `seed` and the epoch. Where the framing crops, images to validate have no common size:
    there are no batches of them, and `read` gives each.

    Args:
        dataset: the source of the images; each is read once per epoch (see `datasets.cache`).
        split: one of `dataset.splits`.
        batch_size: images per batch.
        training: see above.
        augment: one of `datasets.augmentation.AUGMENTATIONS`; training only.
        seed: not negative.

    Raises:
        DataError: the split has no images, or an argument is out of range.
    """

    def __init__(
        self,
        dataset: Dataset,
        split: str,
        *,
        batch_size: int,
        training: bool,
        augment: str = "none",
        seed: int = 0,
    ) -> None:
        self.image_size = dataset.image_size
        self.images = dataset.length(split)
        _check_arguments(dataset, split, batch_size, augment, seed)
        self.batch_size = batch_size
        self.training = training
        self.seed = seed
        whole, rest = divmod(self.images, batch_size)
        self.steps = max(1, whole) if training else whole + bool(rest)
        self._dataset = dataset
        self._split = split
        policy = augment if training else "none"
        self._crops = RandomCrops(dataset.image_size, dataset.ignore_index, zoom=policy == "scale")
        # Crops are zoomed as they are cut, since they would lack the pixels around them later.
        if policy == "scale" and not dataset.framing.is_whole:
            policy = "flip"
        self._augmentation = Augmentation(policy, dataset.ignore_index, dataset.channels, dataset.mirror)
        # Traced only once, here; the dataset of each epoch just calls it.
        self._load = tf.function(self._load_batch).get_concrete_function(
            tf.TensorSpec([None], tf.int64), tf.TensorSpec([2], tf.int32)
        )

    def epoch(self, n: int) -> tf.data.Dataset[tuple[tf.Tensor, tf.Tensor]]:
        """Epoch `n` as a finite dataset of `steps` batches.

        Each batch is (images uint8 [B, H, W, 3] in RGB 0-255, masks uint8 [B, H, W] of class ids and the ignore index).
        B is unknown in the element spec, so that a partial batch does not cause another trace. The type is uint8,
        because that is a quarter of what would otherwise be copied to the device; cast it there.
        """
        indices, seeds = self._plan(n)
        # Ragged, because the last batch may be smaller.
        source = tf.data.Dataset.from_tensor_slices((tf.ragged.constant(indices, dtype=tf.int64), seeds))
        parallel = min(_MOST_PARALLEL_BATCHES, usable_cores())
        # Batches are prepared in parallel but delivered in order, so that an epoch repeats exactly.
        return source.map(self._load, num_parallel_calls=parallel, deterministic=True).prefetch(2)

    @property
    def element_spec(self) -> tuple[tf.TensorSpec, tf.TensorSpec]:
        """Shapes and types of the batches of images and masks that `epoch` yields."""
        height, width = self.image_size
        channels = self._dataset.channels
        return tf.TensorSpec([None, height, width, channels], tf.uint8), tf.TensorSpec([None, height, width], tf.uint8)

    def read(self, index: int) -> tuple[UInt8Array, UInt8Array]:
        """One image `[H, W, C]` and its mask `[H, W]` in the dataset's framing, never cropped or augmented."""
        image, mask, _ = self._dataset.read_framed(self._split, index)
        return image, mask

    def _plan(self, epoch: int) -> tuple[list[npt.NDArray[np.int64]], npt.NDArray[np.int32]]:
        """The images of each batch of an epoch, and a seed for each."""
        order = np.arange(self.images)
        seeds = np.zeros((self.steps, 2), np.int32)
        if self.training:
            # From both numbers, not their sum: seed 1 in epoch 2 must not give what seed 2 gives in epoch 1.
            rng = np.random.default_rng([self.seed, epoch])
            order = rng.permutation(self.images)
            seeds = rng.integers(0, 2**31, (self.steps, 2), dtype=np.int32)
        return [order[step * self.batch_size :][: self.batch_size] for step in range(self.steps)], seeds

    def _load_batch(self, indices: tf.Tensor, seed: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        images, masks = tf.numpy_function(self._read_batch, [indices, seed], (tf.uint8, tf.uint8), stateful=False)
        # TensorFlow cannot know the shapes that a Python function returns.
        images = tf.ensure_shape(images, (None, *self.image_size, self._dataset.channels))
        masks = tf.ensure_shape(masks, (None, *self.image_size))
        return self._augmentation(images, masks, seed)

    def _read_batch(self, indices: npt.NDArray[np.int64], seed: npt.NDArray[np.int32]) -> tuple[UInt8Array, UInt8Array]:
        images = np.empty((len(indices), *self.image_size, self._dataset.channels), np.uint8)
        masks = np.empty((len(indices), *self.image_size), np.uint8)
        for place, index in enumerate(indices):
            image, mask = self.read(int(index))
            if not self._dataset.framing.is_whole:
                image, mask = self._crops.draw(image, mask, np.random.default_rng([*seed, place]))
            images[place], masks[place] = image, mask
        return images, masks


def _check_arguments(dataset: Dataset, split: str, batch_size: int, augment: str, seed: int) -> None:
    if not dataset.length(split):
        available = ", ".join(dataset.splits) or "none"
        raise DataError(f"The data have no images in split {split!r}; available splits: {available}.")
    if batch_size < 1:
        raise DataError(f"batch_size must be at least 1; got {batch_size}.")
    if augment not in AUGMENTATIONS:
        raise DataError(f"augment must be one of {', '.join(AUGMENTATIONS)}; got {augment!r}.")
    if seed < 0:
        raise DataError(f"seed must not be negative; got {seed}.")
