"""What a trial keeps of its best epoch, and the pictures of it."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from datasets.colors import class_colors
from search.trial.pictures import PANEL, confusion_picture, side_by_side
from search.trial.validation import (
    EXTREME_PICTURES,
    FIXED_PICTURES,
    BestEpoch,
    Validation,
    ValidationPass,
    drop_other_epochs,
    extreme_images,
    fixed_images,
    read_best_epoch,
    write_best_epoch,
)


def validation(*rights: int) -> Validation:
    """Images of 10 pixels of class 0 each, of which so many are right and the others taken for class 1."""
    hits = np.array([[right, 0] for right in rights])
    truth = np.array([[10, 0] for _ in rights])
    predicted = np.array([[right, 10 - right] for right in rights])
    matrix = np.array([[sum(rights), 10 * len(rights) - sum(rights)], [0, 0]])
    return Validation(0.25, matrix, hits, truth, predicted)


def test_the_file_of_the_best_epoch_is_what_was_written(tmp_path: Path) -> None:
    written = BestEpoch(validation(3, 10, 0), {0: b"one", 2: b"two"})
    write_best_epoch(tmp_path / "best", 4, written)
    read = read_best_epoch(tmp_path / "best", 4)
    assert read is not None
    assert read.pictures == {0: b"one", 2: b"two"}
    assert read.validation.loss == 0.25
    for name in ("matrix", "hits", "truth", "predicted"):
        np.testing.assert_array_equal(getattr(read.validation, name), getattr(written.validation, name))


def test_a_missing_or_damaged_file_is_none(tmp_path: Path) -> None:
    assert read_best_epoch(tmp_path, None) is None
    assert read_best_epoch(tmp_path, 1) is None
    write_best_epoch(tmp_path, 1, BestEpoch(validation(1), {}))
    whole = (tmp_path / "epoch_0001.npz").read_bytes()
    for content in (b"", whole[:100], whole[: len(whole) // 2], b"no archive"):
        (tmp_path / "epoch_0001.npz").write_bytes(content)
        assert read_best_epoch(tmp_path, 1) is None


def test_earlier_best_epochs_are_dropped_and_weights_are_not(tmp_path: Path) -> None:
    for epoch in (1, 2, 5):
        write_best_epoch(tmp_path, epoch, BestEpoch(validation(1), {}))
    (tmp_path / "epoch_0001.weights.h5").touch()
    drop_other_epochs(tmp_path, 5)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["epoch_0001.weights.h5", "epoch_0005.npz"]


def test_scores_of_images() -> None:
    scored = validation(10, 5, 0)
    assert list(scored.image_scores()) == [1.0, 0.5, 0.0]
    scored.truth[1] = 0
    scored.hits[1] = 0
    assert np.isnan(scored.image_scores()[1]), "nothing is labelled"


@pytest.mark.parametrize(
    ("rights", "best", "worst"),
    [
        ((), [], []),
        ((3,), [], []),
        ((3, 8), [1], [0]),
        ((1, 2, 3, 4, 5, 6, 7, 8), [7, 6, 5], [0, 1, 2]),
    ],
)
def test_the_best_and_the_worst_images_are_no_image_twice(
    rights: tuple[int, ...], best: list[int], worst: list[int]
) -> None:
    hits = np.zeros((0, 2), np.int64)
    empty = Validation(0.0, np.zeros((2, 2), np.int64), hits, hits, hits)
    assert extreme_images(validation(*rights) if rights else empty) == (best, worst)


@given(
    rights=st.lists(st.integers(0, 10) | st.none(), min_size=1, max_size=40),
    batch=st.integers(1, 9),
)
def test_a_pass_keeps_the_predictions_that_are_shown_and_few_others(rights: list[int | None], batch: int) -> None:
    gathered = ValidationPass(len(rights))
    for first in range(0, len(rights), batch):
        part = rights[first : first + batch]
        # An image of which nothing is labelled counts no pixel.
        counts = np.array([[[0, 0] if right is None else [right, 10 - right], [0, 0]] for right in part])
        ids = np.array([np.full((2, 2), first + place) for place in range(len(part))], np.uint8)
        gathered.add(0.5, counts, ids)
        assert len(gathered.predictions) <= FIXED_PICTURES + 2 * EXTREME_PICTURES
    found = gathered.result()
    assert found.loss == (0.5 if any(right is not None for right in rights) else 0.0)
    assert [int(hits) for hits in found.hits[:, 0]] == [right or 0 for right in rights]
    best, worst = extreme_images(found)
    for index in {*fixed_images(len(rights)), *best, *worst}:
        assert (gathered.predictions[index] == index).all()


@pytest.mark.parametrize("batch", [1, 2, 3, 4, 9])
def test_the_loss_is_the_mean_over_labelled_pixels_whatever_the_batches(batch: int) -> None:
    labelled = np.array([100, 0, 4, 0, 30, 1, 0])
    losses = np.array([0.1, 5.0, 2.0, 9.0, 0.7, 40.0, 1.0])  # an image's mean over its labelled pixels
    gathered = ValidationPass(len(labelled))
    for first in range(0, len(labelled), batch):
        pixels, means = labelled[first : first + batch], losses[first : first + batch]
        counts = np.zeros((len(pixels), 2, 2), np.int64)
        counts[:, 0, 0] = pixels
        of_batch = (means * pixels).sum() / max(1, pixels.sum())
        gathered.add(of_batch, counts, np.zeros((len(pixels), 2, 2), np.uint8))
    assert gathered.result().loss == pytest.approx((losses * labelled).sum() / labelled.sum())


@pytest.mark.parametrize(("images", "shown"), [(1, [0]), (3, [0, 1, 2]), (4, [0, 1, 2, 3]), (100, [0, 33, 66, 99])])
def test_the_same_images_are_shown_for_every_trial(images: int, shown: list[int]) -> None:
    assert fixed_images(images) == shown


def test_a_picture_shows_input_truth_prediction_and_error() -> None:
    image = np.full((32, 64, 3), 200, np.uint8)
    truth, predicted = np.ones((32, 64), np.uint8), np.ones((32, 64), np.uint8)
    predicted[:, 32:] = 2
    truth[16:] = 255
    with Image.open(io.BytesIO(side_by_side(image, truth, predicted, 255))) as picture:
        pixels = np.asarray(picture.convert("RGB")).astype(int)
    assert pixels.shape == (PANEL // 2 + 18, 4 * PANEL + 12, 3)

    def at(panel: int, x: float, y: float) -> list[int]:
        return list(pixels[18 + int(y * PANEL / 2), panel * (PANEL + 4) + int(x * PANEL)])

    colors = class_colors(3).astype(int)
    assert at(0, 0.5, 0.5) == pytest.approx([200, 200, 200], abs=8)
    assert at(1, 0.25, 0.25) == pytest.approx(list(colors[1]), abs=8)
    assert at(1, 0.25, 0.75) == pytest.approx([255, 255, 255], abs=8), "ignored"
    assert at(2, 0.75, 0.25) == pytest.approx(list(colors[2]), abs=8)
    right, wrong, ignored = at(3, 0.25, 0.25), at(3, 0.75, 0.25), at(3, 0.75, 0.75)
    assert min(right) > 200
    assert wrong[0] > 180 > 80 > wrong[1]
    assert max(ignored) - min(ignored) < 12


def test_a_confusion_picture_darkens_with_the_share() -> None:
    with Image.open(io.BytesIO(confusion_picture(np.array([[9, 1], [0, 0]]), ["sky", "a long class name"]))) as picture:
        pixels = np.asarray(picture.convert("L")).astype(int)
    side = pixels.shape[0]
    assert pixels.shape == (side, side)
    right, wrong = pixels[side - 2 * 38 + 4, side - 2 * 38 + 4], pixels[side - 2 * 38 + 4, side - 38 + 4]
    assert right < 120 < 200 < wrong
