"""Random crops of images together with their masks."""

from __future__ import annotations

import math

import numpy as np

from datasets.framing import OUTSIDE, pad_to
from datasets.resizing import UInt8Array, resize_image, resize_mask

# Chen et al. 2017, "Rethinking Atrous Convolution", section 4.1: images are scaled by 0.5 to 2.
_SMALLEST, _LARGEST = 0.5, 2.0


class RandomCrops:
    """Crops of one size, anywhere in an image.

    Args:
        size: (height, width) of the crops.
        ignore_index: of the mask where a crop is larger than its image.
        zoom: scale the image by 0.5 to 2 first, evenly in the logarithm.
    """

    def __init__(self, size: tuple[int, int], ignore_index: int, *, zoom: bool) -> None:
        self._size, self._ignore_index, self._zoom = size, ignore_index, zoom

    def draw(self, image: UInt8Array, mask: UInt8Array, random: np.random.Generator) -> tuple[UInt8Array, UInt8Array]:
        """A crop of `image` [H, W, C] and `mask` [H, W]; what lies outside them is grey and ignored."""
        factor = math.exp(random.uniform(math.log(_SMALLEST), math.log(_LARGEST))) if self._zoom else 1.0
        # Only what will be seen is scaled.
        window = [min(math.ceil(side / factor), whole) for side, whole in zip(self._size, mask.shape, strict=True)]
        top, left = (int(random.integers(whole - side + 1)) for side, whole in zip(window, mask.shape, strict=True))
        part = (slice(top, top + window[0]), slice(left, left + window[1]))
        image, mask = image[part], mask[part]
        if factor != 1.0:
            height, width = (
                min(side, max(1, round(own * factor))) for side, own in zip(self._size, window, strict=True)
            )
            image, mask = resize_image(image, (height, width)), resize_mask(mask, (height, width))
        return pad_to(image, self._size, OUTSIDE), pad_to(mask, self._size, self._ignore_index)
