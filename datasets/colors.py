"""Class colours, for predictions and visualizations."""

from __future__ import annotations

from functools import cache

import numpy as np

from datasets.dataset import DEFAULT_IGNORE_INDEX, UInt8Array

# The first eight are from Okabe & Ito (2008), distinguishable with the common forms of colour blindness; the others
# were chosen to differ from them.
_PALETTE = (
    (0, 0, 0), (230, 159, 0), (86, 180, 233), (0, 158, 115), (240, 228, 66), (0, 114, 178), (213, 94, 0),
    (204, 121, 167), (148, 148, 148), (128, 62, 117), (163, 200, 58), (127, 24, 13), (244, 200, 227), (35, 44, 22),
    (0, 83, 138), (255, 104, 0), (83, 55, 122), (193, 0, 32), (206, 162, 98), (129, 230, 217),
)  # fmt: skip
_IGNORED = (255, 255, 255)
_ROWS = 256


@cache
def _colors(count: int) -> UInt8Array:
    colors = np.empty((count, 3), np.uint8)
    colors[: len(_PALETTE)] = _PALETTE[:count]
    colors[len(_PALETTE) :] = voc_colors(count)[len(_PALETTE) :]
    # Every later call gets this array from the cache.
    colors.setflags(write=False)
    return colors


def class_colors(n: int) -> UInt8Array:
    """RGB colours of the classes 0..n-1, uint8 [n, 3]. Class 0 is black; a class's colour does not depend on `n`."""
    return _colors(n).copy()


def voc_colors(n: int) -> UInt8Array:
    """PASCAL VOC's colours of the ids 0..n-1, uint8 [n, 3]: an id's bits, spread over the high bits of the channels."""
    return np.array([[_spread_bits(index >> channel) for channel in range(3)] for index in range(n)], np.uint8)


def colorize(mask: UInt8Array, ignore_index: int = DEFAULT_IGNORE_INDEX) -> UInt8Array:
    """`mask` [H, W] of class ids as RGB uint8 [H, W, 3]; ignored pixels are white."""
    table = class_colors(256)
    table[ignore_index] = _IGNORED
    return table[mask]


def overlay(
    image: UInt8Array, mask: UInt8Array, *, ignore_index: int = DEFAULT_IGNORE_INDEX, opacity: float = 0.5
) -> UInt8Array:
    """`image` [H, W, 3] tinted with the colours of `mask` [H, W]; class 0 and ignored pixels are left unchanged."""
    result = np.empty_like(image)
    # Some rows at a time: as fractions, a large image needs many times the memory.
    for start in range(0, len(image), _ROWS):
        rows = slice(start, start + _ROWS)
        colors = colorize(mask[rows], ignore_index)
        blended = image[rows] + (colors - image[rows].astype(np.float32)) * opacity
        shown = (mask[rows] != 0) & (mask[rows] != ignore_index)
        result[rows] = np.where(shown[..., None], blended.round().astype(np.uint8), image[rows])
    return result


def as_rgb(image: UInt8Array) -> UInt8Array:
    """An image `[H, W, channels]` as people can look at it, `[H, W, 3]`: its first three channels, or grey."""
    return image[..., :3] if image.shape[-1] >= 3 else np.repeat(image[..., :1], 3, axis=-1)


def _spread_bits(bits: int) -> int:
    return sum(((bits >> 3 * place) & 1) << (7 - place) for place in range(3))
