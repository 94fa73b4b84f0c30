"""The embedded data set: procedural aerial scenes of any size, generated from a random seed."""

from __future__ import annotations

import hashlib

import numpy as np
from pydantic import Field

from datasets.dataset import DEFAULT_IGNORE_INDEX, SPLITS, DataError, Sample, check_image_size
from datasets.formats.classes import Labels
from datasets.formats.format import DataSettings, Format, FormatOptions
from datasets.formats.scenes import ROAD, ROOF, SCENE_CLASSES, VEHICLE, WIRE, draw_scene

_BUILT = (ROOF, ROAD, VEHICLE)
_BINARY_NAMES = ("nature", "built")
_WIRE_NAME = "wire"
_LEAST_SIDE = 16

# Increased whenever the scenes change, so that studies detect that their data have changed.
_VERSION = 2


class SyntheticOptions(FormatOptions):
    """How many scenes are generated, and of what kind."""

    train_images: int | None = Field(default=None, ge=1, description="Number of scenes to generate. None: 64.")
    val_images: int | None = Field(default=None, ge=1, description="The same for validation. None: 16.")
    test_images: int | None = Field(default=None, ge=1, description="The same for the test split. None: 16.")
    thin: bool | None = Field(
        default=None,
        description="Draw wires too, an additional class that is thin (1 to 3 pixels) and rare (1 % of the pixels); "
        "with `classes = 1`, they alone are the object. None: false.",
    )
    scene_size: tuple[int, int] | None = Field(
        default=None, strict=False, description="[height, width] of the scenes. None: `image_size`."
    )


class SyntheticDataset(Format):
    """Procedural aerial scenes: each depends only on the seed, its split and its index.

    With `classes=1` the object is everything built: roofs, roads and vehicles; or the wires, if there are any.

    Args:
        settings: `framing.image_size` is that of the scenes, at least 16 each; `classes` is None or their number for
            all, or 1 for the binary version; `ignore_index` does not occur in scenes; another `seed`, not negative,
            gives others.
        train_images: number of training scenes; `val_images` and `test_images` likewise.
        thin: draw wires too, a class that is thin and rare.
        scene_size: (height, width) of the scenes, in place of `image_size`.

    Raises:
        DataError: an argument is out of range.
    """

    options = SyntheticOptions
    needs_path = False
    is_generated = True

    def __init__(
        self,
        settings: DataSettings,
        *,
        train_images: int = 64,
        val_images: int = 16,
        test_images: int = 16,
        thin: bool = False,
        scene_size: tuple[int, int] | None = None,
    ) -> None:
        _refuse_meaningless(settings)
        names = (*SCENE_CLASSES, _WIRE_NAME) if thin else SCENE_CLASSES
        binary_names = ("background", _WIRE_NAME) if thin else _BINARY_NAMES
        ignored = DEFAULT_IGNORE_INDEX if settings.ignore_index is None else settings.ignore_index
        self._size = settings.framing.image_size if scene_size is None else check_image_size(scene_size, "scene_size")
        _check_size(self._size, "image_size" if scene_size is None else "scene_size")
        _check_classes(settings.classes, ignored, names, binary_names[1])
        if settings.seed < 0:
            raise DataError(f"The seed of synthetic data must not be negative; got {settings.seed}.")
        self.seed = settings.seed
        self._thin = thin
        self._lengths = dict(zip(SPLITS, (train_images, val_images, test_images), strict=True))
        _check_lengths(self._lengths)
        labels = Labels(binary_names, 1, ignored) if settings.classes == 1 else Labels(names, len(names), ignored)
        super().__init__(settings, labels)

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
        image, mask = draw_scene(rng, *self._size, thin=self._thin)
        if self.classes == 1:
            mask = np.isin(mask, (WIRE,) if self._thin else _BUILT).astype(np.uint8)
        return Sample(image, mask, f"{split}_{index:05d}")

    def fingerprint(self) -> str:
        """A short hash of everything that the scenes depend on."""
        parameters: tuple[object, ...] = (_VERSION, self.image_size, self.classes, self.ignore_index, self.seed)
        parameters += (self._lengths,)
        # Only where they are not the default, so that the fingerprints of studies without them stay.
        parameters += ("thin",) * self._thin + (self._size,) * (self._size != self.image_size)
        return hashlib.sha256(repr(parameters).encode()).hexdigest()[:16]


def _refuse_meaningless(settings: DataSettings) -> None:
    """Raises DataError for settings that have no effect on scenes."""
    given = {
        "split": settings.split is not None,
        "mask_suffix": settings.mask_suffix != "",
        "orientation": settings.reading.orientation is not None,
        "value_range": settings.reading.value_range is not None,
        "channels": settings.reading.channels != 3,
    }
    meaningless = [key for key, is_given in given.items() if is_given]
    if meaningless:
        raise DataError(f"[data] {', '.join(meaningless)}: synthetic scenes have no such choice; leave it out.")


def _check_size(size: tuple[int, int], key: str) -> None:
    if min(size) < _LEAST_SIDE:
        raise DataError(f"Synthetic scenes need sides of at least {_LEAST_SIDE} pixels; got {key} = {list(size)}.")


def _check_classes(classes: int | None, ignore_index: int, names: tuple[str, ...], binary: str) -> None:
    if classes not in (None, 1, len(names)):
        raise DataError(
            f"The synthetic data have {len(names)} classes ({', '.join(names)}), or 1 (binary: {binary}); got classes "
            f"= {classes}."
        )
    if not len(names) <= ignore_index <= 255:
        raise DataError(f"ignore_index must be {len(names)} to 255 on synthetic data; got {ignore_index}.")


def _check_lengths(lengths: dict[str, int]) -> None:
    for split, length in lengths.items():
        least = 0 if split == "test" else 1
        if not isinstance(length, int) or isinstance(length, bool) or length < least:
            raise DataError(f"{split}_images must be a whole number of at least {least}; got {length!r}.")
