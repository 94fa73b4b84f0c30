"""Resizing images and masks."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from PIL import Image

UInt8Array = npt.NDArray[np.uint8]


def resize_image(image: UInt8Array, size: tuple[int, int]) -> UInt8Array:
    """`image` [H, W, C] resized to `size` (height, width), bilinear with antialiasing."""
    if image.shape[:2] == size:
        return image
    if image.shape[2] == 3:
        return _resize(image, size, Image.Resampling.BILINEAR)
    # Pillow knows no images of other numbers of channels.
    channels = (np.ascontiguousarray(image[..., channel]) for channel in range(image.shape[2]))
    return np.stack([_resize(channel, size, Image.Resampling.BILINEAR) for channel in channels], axis=-1)


def resize_mask(mask: UInt8Array, size: tuple[int, int]) -> UInt8Array:
    """`mask` [H, W] resized to `size` (height, width) by nearest neighbour, which creates no new values."""
    return mask if mask.shape == size else _resize(mask, size, Image.Resampling.NEAREST)


def _resize(array: UInt8Array, size: tuple[int, int], method: Image.Resampling) -> UInt8Array:
    return np.asarray(Image.fromarray(array).resize((size[1], size[0]), method))
