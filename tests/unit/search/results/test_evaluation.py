"""Scores of a split, gathered image by image and band by band."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deeplab.boundary import boundary_scores
from deeplab.scoring import confusion_of_ids, scores
from search.results.evaluation import Evaluation
from search.results.evaluation_files import MOST_PICTURES, WorstImages
from search.results.thresholds import STEPS, ProbabilityCounts

VOID = 255
NAMES = ("sky", "road", "tree")


def certain(ids: np.ndarray, classes: int) -> np.ndarray:
    """Probabilities whose largest is that of `ids`."""
    return (0.1 + 0.7 * np.eye(classes, dtype=np.float32)[ids]) / (0.1 * classes + 0.7)


def in_bands(probabilities: np.ndarray, height: int) -> Iterator[tuple[slice, np.ndarray]]:
    for start in range(0, len(probabilities), height):
        rows = slice(start, min(start + height, len(probabilities)))
        yield rows, probabilities[rows]


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), band=st.integers(1, 12))
def test_the_whole_split_counts_not_the_mean_of_its_images(seed: int, band: int) -> None:
    random = np.random.default_rng(seed)
    found = Evaluation(NAMES)
    truths, predictions = [], []
    for index in range(3):
        shape = tuple(random.integers(3, 12, 2))
        truth = random.choice([0, 1, 2, VOID], shape).astype(np.uint8)
        predicted = random.integers(0, 3, shape).astype(np.uint8)
        np.testing.assert_array_equal(found.add(str(index), truth, in_bands(certain(predicted, 3), band)), predicted)
        truths.append(truth)
        predictions.append(predicted)
    matrix = sum(confusion_of_ids(*pair, 3) for pair in zip(truths, predictions, strict=True))
    expected = scores(np.asarray(matrix), NAMES)
    assert found.summary()["mean_iou"] == pytest.approx(expected["mean_iou"], nan_ok=True)
    assert [row.iou for row in found.classes()] == pytest.approx(
        [expected[f"iou_{name}"] for name in NAMES], nan_ok=True
    )
    outlines = np.array([boundary_scores(*pair, 3) for pair in zip(truths, predictions, strict=True)])
    for column, row in zip(outlines.T, found.classes(), strict=True):
        measured = column[~np.isnan(column)]
        assert row.boundary_f == pytest.approx(measured.mean() if len(measured) else math.nan, abs=1e-6, nan_ok=True)


def test_images_come_worst_first_and_those_without_labels_last() -> None:
    found = Evaluation(NAMES)
    truth = np.repeat(np.arange(2, dtype=np.uint8), 50).reshape(10, 10)
    wrong = truth.copy()
    wrong[:2] = 1
    for name, labels, predicted in (
        ("good", truth, truth),
        ("void", np.full_like(truth, VOID), truth),
        ("bad", truth, 1 - truth),
        ("fair", truth, wrong),
    ):
        found.add(name, labels, in_bands(certain(predicted, 3), 4))
    rows = found.image_rows()
    assert [row["name"] for row in rows] == ["bad", "fair", "good", "void"]
    assert [row["mean_iou"] for row in rows[:3]] == pytest.approx([0, (30 / 50 + 50 / 70) / 2, 1], abs=1e-6)
    assert math.isnan(rows[0]["iou_tree"])
    assert math.isnan(rows[3]["mean_iou"])


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), step=st.integers(1, STEPS - 1))
def test_every_threshold_counts_what_lies_above_it(seed: int, step: int) -> None:
    random = np.random.default_rng(seed)
    threshold = step / STEPS
    truth = random.choice([0, 1, VOID], (7, 9)).astype(np.uint8)
    # Many of them exactly at a threshold.
    probabilities = random.choice([0, threshold, 0.5, 1, *random.random(5)], truth.shape).astype(np.float32)
    counts = ProbabilityCounts()
    for rows in (slice(0, 3), slice(3, 7)):
        counts.add(truth[rows], probabilities[rows])
    expected = confusion_of_ids(truth, (probabilities > threshold).astype(np.uint8), 2)
    np.testing.assert_array_equal(counts.confusion(threshold), expected)


def test_the_best_threshold_separates_what_the_model_is_shy_about() -> None:
    counts = ProbabilityCounts()
    truth = np.repeat(np.array([0, 1], np.uint8), (990, 10))
    counts.add(truth, np.where(truth == 1, 0.3, 0.1).astype(np.float32))
    assert counts.mean_iou(0.5) == pytest.approx(0.99 / 2)
    assert counts.mean_iou(counts.best()) == 1
    # Of all that separate them, the nearest to 0.5.
    assert 0.29 < counts.best() < 0.3


def test_binary_probabilities_are_counted_as_they_are_classified() -> None:
    found = Evaluation(("background", "object"))
    random = np.random.default_rng(0)
    truth = random.choice([0, 1, VOID], (20, 30)).astype(np.uint8)
    found.add("a", truth, in_bands(random.random((20, 30, 1), dtype=np.float32), 7))
    np.testing.assert_array_equal(found.probabilities.confusion(0.5), found.matrix)


def test_the_pictures_kept_are_those_of_the_worst_images() -> None:
    worst, order = WorstImages(VOID), np.random.default_rng(0).permutation(3 * MOST_PICTURES)
    mask = np.zeros((8, 8), np.uint8)
    for index in order:
        # Each image has a shade of its own, by which its picture is recognized.
        worst.offer(int(index), index / 100, np.full((8, 8, 3), 5 * index, np.uint8), mask, mask)
    worst.offer(999, math.nan, np.zeros((8, 8, 3), np.uint8), mask, mask)
    alone = WorstImages(VOID)
    for index in range(MOST_PICTURES):
        alone.offer(index, index / 100, np.full((8, 8, 3), 5 * index, np.uint8), mask, mask)
    assert worst.worst_first() == alone.worst_first()
    assert len(set(worst.worst_first())) == MOST_PICTURES
