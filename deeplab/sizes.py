"""Sizes of images and of their feature maps: plain arithmetic."""

from __future__ import annotations


def feature_map_size(image_size: tuple[int, int], output_stride: int) -> tuple[int, int]:
    """Height and width, in cells, of the ASPP's input feature map.

    At a dilation rate at least as large as both sides, all taps but the centre fall on padding: in effect, a 1x1
    convolution.
    """
    height, width = image_size
    return -(-height // output_stride), -(-width // output_stride)


def padded_size(image_size: tuple[int, int], output_stride: int) -> tuple[int, int]:
    """Height and width at which the network runs: the next multiples of the output stride."""
    rows, columns = feature_map_size(image_size, output_stride)
    return rows * output_stride, columns * output_stride


def check_channels(channels: int) -> None:
    """Raises ValueError unless images may have so many channels."""
    if isinstance(channels, bool) or not isinstance(channels, int) or not 1 <= channels <= 16:
        raise ValueError(f"channels must be 1 to 16; given: {channels!r}")


def check_image_size(image_size: tuple[int | None, int | None], output_stride: int) -> None:
    """Refuse sizes that are impossible for a network.

    Raises:
        ValueError: the size is not two whole numbers (or two `None`), or is smaller than the output stride.
    """
    if len(image_size) != 2 or (None in image_size and image_size != (None, None)):
        raise ValueError(f"image_size must be (height, width) or (None, None); given: {image_size}")
    if any(isinstance(side, bool) or not isinstance(side, int | None) for side in image_size):
        raise ValueError(f"image_size must contain whole numbers; given: {image_size}")
    if any(side is not None and side < output_stride for side in image_size):
        raise ValueError(f"image_size (={image_size}) must not be smaller than output_stride (={output_stride})")
