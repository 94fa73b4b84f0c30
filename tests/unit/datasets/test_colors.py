"""Class colours."""

from __future__ import annotations

import numpy as np
import pytest

from datasets.colors import class_colors, colorize, overlay


def test_colors_are_distinct_and_do_not_depend_on_their_number() -> None:
    colors = class_colors(20)
    assert colors.shape == (20, 3)
    assert colors.dtype == np.uint8
    distances = np.abs(colors[:, None].astype(int) - colors[None]).sum(axis=2) + 999 * np.eye(20, dtype=int)
    assert distances.min() > 30
    for n in (1, 2, 11, 256):
        assert np.array_equal(class_colors(n)[:20], colors[:n])
    assert len(np.unique(class_colors(256), axis=0)) > 240


def test_colorize_paints_classes_and_leaves_ignored_pixels_white() -> None:
    mask = np.array([[0, 1], [2, 200]], np.uint8)
    painted = colorize(mask, ignore_index=200)
    assert np.array_equal(painted[[0, 0, 1], [0, 1, 0]], class_colors(3))
    assert painted[1, 1].tolist() == [255, 255, 255]


def test_overlay_tints_the_objects_alone() -> None:
    image = np.full((2, 2, 3), 100, np.uint8)
    mask = np.array([[0, 1], [2, 255]], np.uint8)
    tinted = overlay(image, mask, opacity=0.5)
    assert tinted.dtype == np.uint8
    assert tinted[0, 0].tolist() == tinted[1, 1].tolist() == [100, 100, 100]
    assert tinted[0, 1] == pytest.approx((100 + class_colors(2)[1].astype(float)) / 2, abs=1)
    assert image.max() == 100
