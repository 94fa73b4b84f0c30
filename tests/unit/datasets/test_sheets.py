"""Pages of images with their masks."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from datasets import Sample
from datasets.colors import class_colors
from datasets.sheets import picture_sheet

NAMES = ("land", "water", "road")


def pixels_of(page: Image.Image, color: tuple[int, ...]) -> int:
    return int((np.asarray(page) == np.array(color)).all(axis=-1).sum())


def sample(mask: np.ndarray, shade: int = 100, channels: int = 3, name: str = "a") -> Sample:
    return Sample(np.full((*mask.shape, channels), shade, np.uint8), mask.astype(np.uint8), name)


def tinted(index: int, shade: int = 100) -> tuple[int, ...]:
    """The colour of a class over a grey image."""
    return tuple(round(shade + 0.6 * (int(part) - shade)) for part in class_colors(index + 1)[index])


def test_a_page_shows_each_image_its_mask_and_the_legend() -> None:
    masks = [np.full((30, 40), index % 3) for index in range(5)]
    page = picture_sheet("train", [sample(mask) for mask in masks], NAMES, 255)
    # 384 x 288 pixels each: as an image, and where the class is clear as a mask too.
    assert pixels_of(page, (100, 100, 100)) == pytest.approx(384 * 288 * (5 + 2), rel=0.01)
    for index in (1, 2):
        assert pixels_of(page, tinted(index)) == 384 * 288 * (2 if index == 1 else 1)
        assert pixels_of(page, tuple(class_colors(3)[index])) > 100


def test_thin_lines_stay_visible_in_images_that_shrink() -> None:
    mask = np.zeros((1152, 1536))
    mask[600] = 1
    page = np.asarray(picture_sheet("x", [sample(mask)], NAMES, 255)).astype(int)
    plain = np.asarray(picture_sheet("x", [sample(np.zeros_like(mask))], NAMES, 255)).astype(int)
    assert (np.abs(page - plain).max(axis=-1) > 10).sum() >= 384


def test_ignored_pixels_are_striped() -> None:
    mask = np.zeros((60, 80))
    mask[:, 40:] = 255
    page = picture_sheet("x", [sample(mask)], NAMES, 255)
    assert pixels_of(page, (190, 190, 190)) == pytest.approx(384 * 288 / 4, rel=0.1)
    assert pixels_of(page, (235, 235, 235)) == pytest.approx(384 * 288 / 4, rel=0.1)


@pytest.mark.parametrize("channels", [1, 3, 5])
@pytest.mark.parametrize("shape", [(5, 400), (400, 5), (1, 1)])
def test_images_of_any_shape_and_any_number_of_channels_are_drawn(shape: tuple[int, int], channels: int) -> None:
    many = [sample(np.zeros(shape), channels=channels, name="n" * 300) for _ in range(3)]
    page = picture_sheet("x", many, [f"class {index}" for index in range(60)], 255)
    assert page.width < 4000
    assert page.height < 4000
