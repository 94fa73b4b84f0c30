"""The confusion matrix against counting by hand, and the usual metrics."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import confusion_matrix, f1_score, jaccard_score

from deeplab.metrics import ConfusionMatrix, confusion_of_images, predicted_classes, scores
from deeplab.scoring import confusion_of_ids, dice

VOID = 255


def count_by_hand(labels: np.ndarray, predicted: np.ndarray, classes: int) -> np.ndarray:
    matrix = np.zeros((classes, classes), int)
    for truth, guess in zip(labels.flat, predicted.flat, strict=True):
        if 0 <= truth < classes and truth != VOID:
            matrix[truth, guess] += 1
    return matrix


def logits_of(predicted: np.ndarray, classes: int) -> np.ndarray:
    """Logits for which the given class is the most probable."""
    if classes == 1:
        return np.where(predicted == 1, 0.1, -0.1).astype("float32")[..., None]
    return np.eye(classes, dtype="float32")[predicted]


@settings(max_examples=30, deadline=None)
@given(classes=st.sampled_from([1, 2, 6]), seed=st.integers(0, 2**32 - 1), images=st.integers(1, 4))
def test_each_image_is_counted_by_itself(classes: int, seed: int, images: int) -> None:
    random, count = np.random.default_rng(seed), max(classes, 2)
    labels = random.choice([*range(count), VOID, 77], (images, 3, 4))
    predicted = random.integers(0, count, labels.shape)
    logits = logits_of(predicted, classes)
    assert (np.asarray(predicted_classes(logits, classes)) == predicted).all()
    found = np.asarray(confusion_of_images(labels, logits, classes, VOID))
    for matrix, truth, guess in zip(found, labels, predicted, strict=True):
        assert (matrix == count_by_hand(truth, guess, count)).all()


@settings(max_examples=30, deadline=None)
@given(classes=st.sampled_from([1, 2, 6]), seed=st.integers(0, 2**32 - 1), batches=st.integers(1, 3))
def test_equals_counting_by_hand(classes: int, seed: int, batches: int) -> None:
    random, count = np.random.default_rng(seed), max(classes, 2)
    metric = ConfusionMatrix(classes)
    total = np.zeros((count, count), int)
    for _ in range(batches):
        labels = random.choice([*range(count), VOID, 77, -3], (2, 3, 4))
        predicted = random.integers(0, count, labels.shape)
        metric.update_state(labels, logits_of(predicted, classes))
        total += count_by_hand(labels, predicted, count)
    np.testing.assert_array_equal(metric.matrix(), total)
    names = [str(index) for index in range(count)]
    expected = scores(total, names)["mean_iou"]
    assert float(metric.result()) == pytest.approx(0.0 if math.isnan(expected) else expected, abs=1e-6)


def test_absent_classes_and_labels_out_of_range_do_not_count() -> None:
    labels = np.array([[[0, 0, 1, 1]]])
    predicted = np.array([[[0, 1, 1, 1]]])
    metric = ConfusionMatrix(3)
    metric.update_state(labels, logits_of(predicted, 3))
    assert float(metric.result()) == pytest.approx((1 / 2 + 2 / 3) / 2), "over the two classes that occur"
    metric.update_state(np.array([[[VOID, 3, -1, 2]]]), logits_of(np.array([[[0, 1, 2, 2]]]), 3))
    assert metric.matrix().tolist() == [[1, 1, 0], [0, 2, 0], [0, 0, 1]]


def test_a_class_that_is_predicted_but_never_true_lowers_the_others_alone() -> None:
    metric = ConfusionMatrix(3)
    metric.update_state(np.array([[[0, 0, 1]]]), logits_of(np.array([[[0, 2, 1]]]), 3))
    assert float(metric.result()) == pytest.approx((1 / 2 + 1) / 2)


def test_counts_stay_exact_beyond_what_float32_holds() -> None:
    metric = ConfusionMatrix(2)
    metric.variables[0].assign([[2**24, 0], [2**40, 5]])
    metric.update_state(np.zeros((1, 1, 3), int), logits_of(np.zeros((1, 1, 3), int), 2))
    assert metric.matrix().tolist() == [[2**24 + 3, 0], [2**40, 5]]
    assert metric.matrix().dtype == np.int64


def test_reset_and_no_pixels() -> None:
    metric = ConfusionMatrix(2)
    assert float(metric.result()) == 0.0
    metric.update_state(np.ones((1, 2, 2), int), logits_of(np.ones((1, 2, 2), int), 2))
    assert float(metric.result()) == 1.0
    metric.reset_state()
    assert not metric.matrix().any()


def test_sample_weights_are_refused() -> None:
    with pytest.raises(ValueError, match="mark void pixels instead"):
        ConfusionMatrix(2).update_state(np.zeros((1, 1, 1)), np.zeros((1, 1, 1, 2)), sample_weight=np.ones((1, 1, 1)))


def test_config_makes_the_same_metric() -> None:
    again = ConfusionMatrix.from_config(ConfusionMatrix(1, ignore_index=7).get_config())
    assert (again.outputs, again.count, again.ignore_index, again.name) == (1, 2, 7, "mean_iou")


def test_scores() -> None:
    found = scores(np.array([[6, 2, 0], [1, 1, 0], [0, 0, 0]]), ["land", "water", "sky"])
    assert found == pytest.approx(
        {"mean_iou": (6 / 9 + 1 / 4) / 2, "pixel_accuracy": 0.7, "iou_land": 6 / 9, "iou_water": 1 / 4}
        | {"iou_sky": math.nan},
        nan_ok=True,
    )


def test_scores_of_nothing_are_nan() -> None:
    found = scores(np.zeros((2, 2), int), ["land", "water"])
    assert list(found) == ["mean_iou", "pixel_accuracy", "iou_land", "iou_water"]
    assert all(math.isnan(value) for value in found.values())
    with pytest.raises(ValueError, match="zip"):
        scores(np.zeros((2, 2), int), ["land"])


@settings(max_examples=50, deadline=None)
@given(count=st.integers(2, 7), seed=st.integers(0, 2**32 - 1))
def test_equals_scikit_learn(count: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    # Of few pixels, so that classes are missing from the truth, the prediction or both.
    truth = random.choice([*range(count), VOID], (3, 5)).astype(np.uint8)
    predicted = random.integers(0, count, truth.shape).astype(np.uint8)
    matrix = confusion_of_ids(truth, predicted, count)
    labelled, names = truth != VOID, [str(index) for index in range(count)]
    if not labelled.any():
        assert not matrix.any()
        return
    pair = truth[labelled], predicted[labelled]
    np.testing.assert_array_equal(matrix, confusion_matrix(*pair, labels=range(count)))
    occurs = [index for index in range(count) if (truth == index).any()]
    iou = jaccard_score(*pair, labels=occurs, average=None, zero_division=0)
    found = scores(matrix, names)
    np.testing.assert_allclose([found[f"iou_{index}"] for index in occurs], iou, atol=1e-6)
    assert found["mean_iou"] == pytest.approx(iou.mean(), abs=1e-6)
    f1 = f1_score(*pair, labels=occurs, average=None, zero_division=0)
    np.testing.assert_allclose(dice(matrix)[occurs], f1, atol=1e-6)
    assert np.isnan(np.delete(dice(matrix), occurs)).all()
