"""The boundary F-score against maps of distances, and on shapes whose score is known."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import distance_transform_edt

from deeplab.boundary import boundary_scores

VOID = 255


def square(top: int, side: int = 20, shape: tuple[int, int] = (60, 60)) -> np.ndarray:
    mask = np.zeros(shape, np.uint8)
    mask[top : top + side, 20:40] = 1
    return mask


def by_distance_maps(truth: np.ndarray, predicted: np.ndarray, label: int, distance: float) -> float:
    def outline(labels: np.ndarray) -> np.ndarray:
        found = np.zeros(labels.shape, bool)
        for (y, x), own in np.ndenumerate(labels):
            for v, u in ((y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1)):
                inside = 0 <= v < labels.shape[0] and 0 <= u < labels.shape[1]
                if own == label and inside and labels[v, u] not in (label, VOID):
                    found[y, x] = True
        return found

    true, found = outline(truth), outline(np.where(truth == VOID, VOID, predicted))
    if not true.any():
        return math.nan
    if not found.any():
        return 0.0
    precision = (distance_transform_edt(~true)[found] <= distance).mean()
    recall = (distance_transform_edt(~found)[true] <= distance).mean()
    return float(2 * precision * recall / (precision + recall)) if precision + recall else 0.0


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), classes=st.integers(2, 4), tolerance=st.sampled_from([0.0, 0.05, 0.1, 0.2]))
def test_equals_what_maps_of_distances_say(seed: int, classes: int, tolerance: float) -> None:
    random = np.random.default_rng(seed)
    shape = tuple(random.integers(2, 24, 2))
    truth, predicted = (
        np.kron(random.integers(0, classes, shape), np.ones((3, 3), int)).astype(np.uint8) for _ in range(2)
    )
    truth[random.random(truth.shape) < 0.1] = VOID
    distance = max(1.0, tolerance * math.hypot(*truth.shape))
    expected = [by_distance_maps(truth, predicted, label, distance) for label in range(classes)]
    np.testing.assert_allclose(boundary_scores(truth, predicted, classes, tolerance), expected)


def test_an_outline_within_the_tolerance_is_right_and_one_beyond_it_is_not() -> None:
    truth = square(20)
    assert boundary_scores(truth, truth, 2).tolist() == [1, 1]
    # The diagonal is 84.9 pixels: 0.03 of it are 2.5.
    assert boundary_scores(truth, square(22), 2, 0.03).tolist() == [1, 1]
    assert (boundary_scores(truth, square(23), 2, 0.03) < 1).all()


def test_what_has_no_outline_is_not_measured_and_what_is_not_found_scores_nothing() -> None:
    empty = np.zeros((60, 60), np.uint8)
    assert np.isnan(boundary_scores(empty, square(20), 2)).all()
    scores = boundary_scores(square(20), empty, 3)
    assert scores[:2].tolist() == [0, 0]
    assert math.isnan(scores[2])


def test_neither_the_edge_of_the_image_nor_ignored_pixels_make_an_outline() -> None:
    truth = np.zeros((40, 40), np.uint8)
    truth[:, 20:] = 1
    truth[:, 18:22] = VOID
    assert np.isnan(boundary_scores(truth, np.zeros((40, 40), np.uint8), 2)).all()


def test_a_thin_object_counts_by_its_outline_not_by_its_area() -> None:
    truth = np.zeros((100, 100), np.uint8)
    truth[50] = 1
    shifted = np.roll(truth, 1, axis=0)
    assert boundary_scores(truth, shifted, 2)[1] == pytest.approx(1)
