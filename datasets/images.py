"""Image files as the arrays that a network is fed: uint8, with the number of channels that the study asks for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np

from datasets.dataset import DataError, UInt8Array
from datasets.decoding import Array, Stored, brightness, read_stored, turned

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".tif", ".tiff", ".webp", ".bmp")

Orientation = Literal["turned", "raw"]


@dataclass(frozen=True)
class ImageReading:
    """How image files become arrays.

    Attributes:
        channels: of the arrays, 1 to 16.
        value_range: the values that become 0 and 255, for images of more than 8 bits; None refuses them.
        orientation: whether masks belong to images that are "turned" as their EXIF orientation says, or to their "raw"
            pixels; None where the sizes must tell.
    """

    channels: int = 3
    value_range: tuple[float, float] | None = None
    orientation: Orientation | None = None


class RawImage(NamedTuple):
    """An image's pixels `[H, W, channels]`, uint8, as stored, and what EXIF says of how to turn them (1 to 8)."""

    pixels: UInt8Array
    orientation: int


def read_image(path: Path, reading: ImageReading = ImageReading()) -> UInt8Array:
    """The image at `path`, uint8 `[H, W, channels]`, turned as viewers show it unless `reading` wants raw pixels.

    Grey images become RGB for three channels, and RGB ones grey for one; palettes and CMYK are RGB. Opacity is dropped
    where it would be a channel too many; the colours under it are kept.

    Raises:
        DataError: missing, damaged or above Pillow's pixel limit; of another number of channels; or of more than 8 bits
            per channel, without `value_range`.
    """
    pixels, orientation = read_raw(path, reading)
    if reading.orientation == "raw" or orientation == 1:
        return pixels
    return np.ascontiguousarray(turned(pixels, orientation))


def read_raw(path: Path, reading: ImageReading) -> RawImage:
    """The image at `path` before it is turned. Raises what `read_image` does."""
    stored = read_stored(path, "image")
    pixels = _with_channels(_eight_bits(stored, reading, path), stored, reading.channels, path)
    return RawImage(np.ascontiguousarray(pixels), stored.orientation)


def _eight_bits(stored: Stored, reading: ImageReading, path: Path) -> Array:
    """The pixels in 0 to 255; palettes' indices become colours."""
    pixels = stored.pixels
    if stored.palette is not None:
        return stored.palette[pixels[..., 0]]
    if stored.bits <= 8:
        if reading.value_range is not None:
            raise DataError(
                f"Image {path} has {stored.bits} bits per channel, but [data] value_range is for images of more: its "
                "values are 0 to 255 already. Leave value_range out, or store all images with the same number of bits.",
                path,
                "image of 8 bits among deeper ones",
            )
        return (
            pixels * np.uint8(255 // (2**stored.bits - 1)) if stored.bits < 8 else pixels.astype(np.uint8, copy=False)
        )
    if reading.value_range is None:
        low, high = np.nanmin(pixels), np.nanmax(pixels)
        raise DataError(
            f"Image {path} has {stored.bits} bits per channel, with values from {low:g} to {high:g}; which of them "
            "should become 0 and 255? Set [data] value_range = [low, high], the same for all images.",
            path,
            "image of more than 8 bits",
        )
    low, high = reading.value_range
    scaled = (pixels.astype(np.float32) - low) * np.float32(255 / (high - low))
    # What was not measured (NaN) counts as the lowest value.
    return np.rint(np.clip(np.nan_to_num(scaled, nan=0.0), 0, 255)).astype(np.uint8)


def _with_channels(pixels: Array, stored: Stored, channels: int, path: Path) -> Array:
    if pixels.shape[2] == channels:
        return pixels
    colors = pixels[..., :-1] if stored.alpha else pixels
    if colors.shape[2] == 1 and channels == 3:
        return np.repeat(colors, 3, axis=2)
    if colors.shape[2] == 3 and channels == 1:
        return brightness(colors).astype(np.uint8)[..., None]
    if colors.shape[2] != channels:
        raise DataError(
            f"Image {path} has {pixels.shape[2]} channels, and [data] channels is {channels}. Set channels to what all "
            "images have.",
            path,
            "image of another number of channels",
        )
    return colors
