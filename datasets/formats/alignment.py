"""An image and its mask, turned alike."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from datasets.dataset import DataError, UInt8Array
from datasets.decoding import turned
from datasets.formats.masks import Mask
from datasets.images import Orientation, RawImage


def aligned(
    image: RawImage, mask: Mask, orientation: Orientation | None, image_path: Path, mask_path: Path
) -> tuple[UInt8Array, UInt8Array]:
    """`image` [H, W, C] and `mask` [H, W], of the same size.

    EXIF says how an image is turned when it is shown, and a mask may have been drawn on either form of it. A mask with
    an orientation of its own is turned by that. For others, `orientation` says which form they belong to or, if it is
    None, their size does.

    Args:
        image: as stored.
        mask: as stored.
        orientation: "turned", "raw", or None.
        image_path: for messages.
        mask_path: for messages.

    Raises:
        DataError: their sizes differ, or do not tell which form of the image the mask belongs to.
    """
    if orientation == "raw":
        drawn = mask.ids if mask.orientation == image.orientation else _turned(mask.ids, mask.orientation)
        return _same_size(image.pixels, drawn, image_path, mask_path)
    drawn = _turned(mask.ids, mask.orientation)
    upright = _turned(image.pixels, image.orientation)
    if orientation == "turned" or image.orientation == 1 or mask.orientation != 1:
        return _same_size(upright, drawn, image_path, mask_path)
    fits = [form.shape[:2] == drawn.shape for form in (upright, image.pixels)]
    if all(fits):
        raise DataError(
            f"Image {image_path} is shown turned (EXIF orientation {image.orientation}), and the size of its mask does "
            "not tell whether it belongs to the turned image or to the pixels as stored. Look at both, and set [data] "
            'orientation = "turned" or "raw".',
            image_path,
            "mask of a turned image",
        )
    return _same_size(image.pixels if fits[1] else upright, drawn, image_path, mask_path)


def _turned(array: UInt8Array, orientation: int) -> UInt8Array:
    return array if orientation == 1 else np.ascontiguousarray(turned(array, orientation))


def _same_size(image: UInt8Array, mask: UInt8Array, image_path: Path, mask_path: Path) -> tuple[UInt8Array, UInt8Array]:
    if image.shape[:2] != mask.shape:
        raise DataError(
            f"Image {image_path} is {image.shape[0]}x{image.shape[1]} (height x width, after its EXIF rotation), its "
            f"mask {mask_path} is {mask.shape[0]}x{mask.shape[1]}; they must have the same size.",
            mask_path,
            "image and mask of different sizes",
        )
    return image, mask
