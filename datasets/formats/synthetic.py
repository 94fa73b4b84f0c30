"""The embedded data set: procedural aerial scenes of any size, generated from a random seed."""

from __future__ import annotations

import hashlib

import numpy as np
from pydantic import Field

from datasets.dataset import DEFAULT_IGNORE_INDEX, SPLITS, DataError, Sample
from datasets.formats.format import DataSettings, Format, FormatOptions
from datasets.formats.scenes import ROAD, ROOF, SCENE_CLASSES, VEHICLE, draw_scene

_BUILT = (ROOF, ROAD, VEHICLE)
_BINARY_NAMES = ("nature", "built")
_LEAST_SIDE = 16

# Increased whenever the scenes change, so that studies detect that their data have changed.
_VERSION = 2


class SyntheticOptions(FormatOptions):
    """How many scenes are generated."""

    train_images: int | None = Field(default=None, ge=1, description="Number of scenes to generate. None: 64.")
    val_images: int | None = Field(default=None, ge=1, description="The same for validation. None: 16.")
    test_images: int | None = Field(default=None, ge=1, description="The same for the test split. None: 16.")


class SyntheticDataset(Format):
    """Procedural aerial scenes: each depends only on the seed, its split and its index.

    With `classes=1` the object is everything built: roofs, roads and vehicles.

    Args:
        settings: `image_size` is that of the scenes, at least 16 each; `classes` is 6 or None for all classes, or 1 for
            the binary version; `ignore_index` does not occur in scenes; another `seed`, not negative, gives others.
        train_images: number of training scenes; `val_images` and `test_images` likewise.

    Raises:
        DataError: an argument is out of range.
    """

    options = SyntheticOptions
    needs_path = False
    is_generated = True

    def __init__(
        self, settings: DataSettings, *, train_images: int = 64, val_images: int = 16, test_images: int = 16
    ) -> None:
        classes = settings.classes
        ignored = DEFAULT_IGNORE_INDEX if settings.ignore_index is None else settings.ignore_index
        _check_arguments(settings.image_size, classes, ignored, settings.seed)
        self.seed = settings.seed
        self._lengths = dict(zip(SPLITS, (train_images, val_images, test_images), strict=True))
        _check_lengths(self._lengths)
        super().__init__(
            image_size=settings.image_size,
            class_names=_BINARY_NAMES if classes == 1 else SCENE_CLASSES,
            classes=1 if classes == 1 else len(SCENE_CLASSES),
            ignore_index=ignored,
        )

    def length(self, split: str) -> int:
        """Number of scenes in `split`."""
        return self._lengths.get(split, 0)

    def read(self, split: str, index: int) -> Sample:
        """The scene at `index` of `split`.

        Raises:
            IndexError: `split` has no scene at `index`.
        """
        self.check_index(split, index)
        rng = np.random.default_rng([self.seed, SPLITS.index(split), index])
        image, mask = draw_scene(rng, *self.image_size)
        if self.classes == 1:
            mask = np.isin(mask, _BUILT).astype(np.uint8)
        return Sample(image, mask, f"{split}_{index:05d}")

    def fingerprint(self) -> str:
        """A short hash of everything that the scenes depend on."""
        parameters = (_VERSION, self.image_size, self.classes, self.ignore_index, self.seed, self._lengths)
        return hashlib.sha256(repr(parameters).encode()).hexdigest()[:16]


def _check_arguments(image_size: tuple[int, int], classes: int | None, ignore_index: int, seed: int) -> None:
    if min(image_size) < _LEAST_SIDE:
        raise DataError(f"Synthetic scenes need an image_size of at least {_LEAST_SIDE}; got {list(image_size)}.")
    if classes not in (None, 1, len(SCENE_CLASSES)):
        raise DataError(
            f"The synthetic data have {len(SCENE_CLASSES)} classes ({', '.join(SCENE_CLASSES)}), or 1 (binary: "
            f"{_BINARY_NAMES[1]}); got classes = {classes}."
        )
    if not len(SCENE_CLASSES) <= ignore_index <= 255:
        raise DataError(f"ignore_index must be {len(SCENE_CLASSES)} to 255 on synthetic data; got {ignore_index}.")
    if seed < 0:
        raise DataError(f"The seed of synthetic data must not be negative; got {seed}.")


def _check_lengths(lengths: dict[str, int]) -> None:
    for split, length in lengths.items():
        least = 0 if split == "test" else 1
        if not isinstance(length, int) or isinstance(length, bool) or length < least:
            raise DataError(f"{split}_images must be a whole number of at least {least}; got {length!r}.")
