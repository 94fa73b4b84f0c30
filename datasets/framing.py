"""How an image of any size becomes the input of a network, which has one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from datasets.resizing import UInt8Array, resize_image, resize_mask

Resize = Literal["stretch", "pad", "crop"]
# What stands outside an image: mid-grey, close to the mean of most data.
OUTSIDE = 128


@dataclass(frozen=True)
class Framing:
    """The size of a network's input, and how images are brought to it.

    Attributes:
        image_size: (height, width) of the input.
        resize: "stretch" resizes the image to `image_size`, whatever its shape; "pad" keeps its shape, at the top left,
            and fills what is left; "crop" takes parts of `image_size` out of it.
        scale: with "crop", the factor by which images are resized first.
    """

    image_size: tuple[int, int]
    resize: Resize = "stretch"
    scale: float = 1.0

    @property
    def is_whole(self) -> bool:
        """Whether an image is seen at once, in one input of the network."""
        return self.resize != "crop"

    def content(self, size: tuple[int, int]) -> tuple[int, int]:
        """The (height, width) to which an image of `size` is resized, before it is padded or cut."""
        if self.resize == "stretch":
            return self.image_size
        factor = self.scale
        if self.resize == "pad":
            factor = min(inside / side for inside, side in zip(self.image_size, size, strict=True))
        height, width = (max(1, round(side * factor)) for side in size)
        return height, width

    def image(self, image: UInt8Array) -> UInt8Array:
        """`image` [H, W, C] as the network sees it: at `image_size`, or with "crop", whole and scaled."""
        resized = resize_image(image, self.content(_size(image)))
        return pad_to(resized, self.image_size, OUTSIDE) if self.resize == "pad" else resized

    def mask(self, mask: UInt8Array, ignore_index: int) -> UInt8Array:
        """`mask` [H, W] of class ids as the network sees it; pixels outside the image are ignored."""
        resized = resize_mask(mask, self.content(_size(mask)))
        return pad_to(resized, self.image_size, ignore_index) if self.resize == "pad" else resized


def pad_to(array: UInt8Array, size: tuple[int, int], value: int) -> UInt8Array:
    """`array` [H, W, ...] with `value` at its bottom and right, so that it is at least of `size` (height, width)."""
    missing = [max(0, side - own) for side, own in zip(size, array.shape, strict=False)]
    if not any(missing):
        return array
    return np.pad(array, [(0, side) for side in missing] + [(0, 0)] * (array.ndim - 2), constant_values=value)


def _size(array: UInt8Array) -> tuple[int, int]:
    return array.shape[0], array.shape[1]
