"""Image sizes and the maps they give: plain arithmetic."""

from __future__ import annotations


def feature_map_size(image_size: tuple[int, int], output_stride: int) -> tuple[int, int]:
    """Height and width, in cells, of the map that the ASPP reads.

    A dilation rate at or above both sides reaches only padding off its centre: it is a 1x1 convolution in disguise.
    """
    height, width = image_size
    return -(-height // output_stride), -(-width // output_stride)


def padded_size(image_size: tuple[int, int], output_stride: int) -> tuple[int, int]:
    """Height and width at which the network computes: the next multiples of the output stride."""
    rows, columns = feature_map_size(image_size, output_stride)
    return rows * output_stride, columns * output_stride


def check_image_size(image_size: tuple[int | None, int | None], output_stride: int) -> None:
    """Refuses sizes that no network has.

    Raises:
        ValueError: not two whole numbers (or two `None`), or smaller than the output stride.
    """
    if len(image_size) != 2 or (None in image_size and image_size != (None, None)):
        raise ValueError(f"image_size must be (height, width) or (None, None); given: {image_size}")
    if any(isinstance(side, bool) or not isinstance(side, int | None) for side in image_size):
        raise ValueError(f"image_size must hold whole numbers; given: {image_size}")
    if any(side is not None and side < output_stride for side in image_size):
        raise ValueError(f"image_size (={image_size}) must not be smaller than output_stride (={output_stride})")
