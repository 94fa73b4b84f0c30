"""The embedded scenes: repeatable, distinct, and with the promised contents."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import distance_transform_edt

from datasets import DataError, Dataset, inspect_dataset
from datasets.formats import open_dataset
from datasets.formats.scenes import CROP, GROUND, ROOF, TREE, WIRE


def scenes(size: tuple[int, int] = (48, 64), **options: object) -> Dataset:
    return open_dataset("synthetic", image_size=size, **options)  # type: ignore[arg-type]


def test_defaults() -> None:
    data = scenes()
    assert [data.length(split) for split in data.splits] == [64, 16, 16]
    assert (data.classes, len(data.class_names), data.ignore_index) == (6, 6, 255)
    assert data.fingerprint() == scenes().fingerprint()


@settings(max_examples=25, deadline=None)
@given(size=st.tuples(st.integers(16, 90), st.integers(16, 90)), seed=st.integers(0, 2**31))
def test_scenes_of_any_size_are_whole(size: tuple[int, int], seed: int) -> None:
    image, mask, _ = scenes(size, seed=seed).read("train", 1)
    assert image.shape == (*size, 3)
    assert image.dtype == np.uint8
    assert mask.shape == size
    assert mask.dtype == np.uint8
    assert mask.max() < 6


def test_a_scene_depends_on_seed_split_and_index_alone() -> None:
    first = scenes(seed=3).read("train", 5)
    again = scenes(seed=3, train_images=9, val_images=2)
    again.read("val", 1)
    second = again.read("train", 5)
    assert np.array_equal(first.image, second.image)
    assert np.array_equal(first.mask, second.mask)


def test_a_scene_is_the_same_in_another_process() -> None:
    program = (
        "import hashlib, datasets\n"
        "sample = datasets.open_dataset('synthetic', image_size=(48, 64), seed=3).read('train', 5)\n"
        "print(hashlib.sha256(sample.image.tobytes() + sample.mask.tobytes()).hexdigest())"
    )
    digests = {
        subprocess.run(
            [sys.executable, "-c", program], check=True, cwd=Path(__file__).parents[3], capture_output=True
        ).stdout
        for _ in range(2)
    }
    assert len(digests) == 1


def test_no_two_scenes_are_alike() -> None:
    seen = {
        data.read(split, index).image.tobytes()
        for data in (scenes(seed=0), scenes(seed=1))
        for split in data.splits
        for index in range(10)
    }
    assert len(seen) == 60


def test_every_class_occurs_and_the_check_finds_no_fault() -> None:
    problems, statistics = inspect_dataset(scenes((96, 128)))
    assert not [problem for problem in problems if problem.severity == "error"]
    for split in statistics.splits:
        assert all(label.images > 0.2 * split.images for label in split.classes), split


def test_masks_lie_on_what_they_name() -> None:
    data = scenes((96, 128))
    brightness: dict[bool, list[np.ndarray]] = {True: [], False: []}
    for index in range(20):
        image, mask, _ = data.read("train", index)
        for tree, found in brightness.items():
            found.append(image[(mask == TREE) == tree])
    # Trees are the darkest objects in a scene.
    assert np.concatenate(brightness[True]).mean() < 0.75 * np.concatenate(brightness[False]).mean()


def ring(image: np.ndarray, ys: np.ndarray, xs: np.ndarray, radius: float) -> np.ndarray:
    """Mean colour [N, 3], 0..1, of circles with this radius around N pixels."""
    turns = np.linspace(0, 2 * np.pi, 16, endpoint=False)[:, None]
    rows = np.clip((ys + radius * np.sin(turns)).round().astype(int), 0, image.shape[0] - 1)
    columns = np.clip((xs + radius * np.cos(turns)).round().astype(int), 0, image.shape[1] - 1)
    return np.asarray(image[rows, columns].mean(axis=0) / 255)


def fitted_accuracy(features: np.ndarray, truth: np.ndarray) -> float:
    """Accuracy on the last third of a linear classifier fitted to the first two; `truth` is -1 or 1."""
    features = np.hstack([features, np.ones((len(features), 1))])
    cut = 2 * len(features) // 3
    weights = np.linalg.lstsq(features[:cut], truth[:cut], rcond=None)[0]
    return float((np.sign(features[cut:] @ weights) == truth[cut:]).mean())


def with_products(features: np.ndarray) -> np.ndarray:
    return np.hstack([features, (features[:, :, None] * features[:, None, :]).reshape(len(features), -1)])


def drawn_pixels(chosen: Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]) -> list[tuple[np.ndarray, ...]]:
    """(image, ys, xs, truth) of 40 pixels from each of two sets, -1 and 1, in every scene that contains them."""
    data, rng = scenes((96, 128), train_images=150), np.random.default_rng(0)
    found: list[tuple[np.ndarray, ...]] = []
    for index in range(150):
        image, mask, _ = data.read("train", index)
        for truth, pixels in zip((-1.0, 1.0), chosen(mask), strict=True):
            ys, xs = np.nonzero(pixels)
            if len(ys):
                picked = rng.integers(0, len(ys), 40)
                found.append((image, ys[picked], xs[picked], np.full(40, truth)))
    return found


def test_what_lies_around_a_plot_decides_whether_it_is_crop_or_roof() -> None:
    found = drawn_pixels(lambda mask: (mask == CROP, mask == ROOF))
    truth = np.concatenate([item[3] for item in found])
    own, near, far = (
        np.concatenate([ring(image, ys, xs, radius) for image, ys, xs, _ in found]) for radius in (0, 6, 28)
    )
    by_itself = fitted_accuracy(with_products(own), truth)
    by_neighbours = fitted_accuracy(with_products(np.hstack([own, near])), truth)
    by_surroundings = fitted_accuracy(with_products(np.hstack([own, far])), truth)
    assert by_itself < 0.6  # little better than guessing
    assert by_itself + 0.05 < by_neighbours < by_surroundings - 0.05
    assert by_surroundings > 0.75


def test_a_row_and_its_surroundings_decide_together_whether_it_is_crop() -> None:
    def rows(mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        crop = mask == CROP
        beside = np.any([np.roll(crop, shift, axis) for shift in (-4, 4) for axis in (0, 1)], axis=0)
        return beside & (mask == GROUND), crop

    found = drawn_pixels(rows)
    truth = np.concatenate([item[3] for item in found])
    contrast = np.concatenate([ring(image, ys, xs, 0) - ring(image, ys, xs, 5) for image, ys, xs, _ in found])
    far = np.concatenate([ring(image, ys, xs, 28) for image, ys, xs, _ in found])
    # A linear combination is not enough: a head without a convolution after the fusion can do no more than this.
    assert fitted_accuracy(np.hstack([contrast, far]), truth) < 0.57
    assert fitted_accuracy(with_products(np.hstack([contrast, far])), truth) > 0.62


def test_binary_scenes_join_what_is_built() -> None:
    whole, binary = scenes(seed=2), scenes(seed=2, classes=1)
    assert (binary.classes, binary.class_names) == (1, ("nature", "built"))
    names = np.array(whole.class_names)
    built = np.isin(names[whole.read("val", 0).mask], ["roof", "road", "vehicle"])
    assert np.array_equal(binary.read("val", 0).mask, built)


@pytest.mark.parametrize(
    "options",
    [
        {"classes": 4},
        {"seed": -1},
        {"ignore_index": 3},
        {"size": (8, 64)},
        {"train_images": 0},
        {"val_images": 1.5},
        {"test_images": -1},
    ],
)
def test_settings_out_of_range_are_refused_with_what_was_given(options: dict[str, object]) -> None:
    given_value = next(iter(options.values()))
    with pytest.raises(DataError, match=r"8, 64" if isinstance(given_value, tuple) else str(given_value)):
        scenes(**options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "options", [{"seed": 1}, {"classes": 1}, {"train_images": 65}, {"size": (48, 65)}, {"ignore_index": 254}]
)
def test_whatever_changes_the_scenes_changes_the_fingerprint(options: dict[str, object]) -> None:
    assert scenes(**options).fingerprint() != scenes().fingerprint()  # type: ignore[arg-type]


def test_without_test_scenes_there_is_no_test_split() -> None:
    data = scenes(test_images=0)
    assert data.splits == ("train", "val")
    with pytest.raises(IndexError):
        data.read("test", 0)


def digest_of(data: Dataset) -> str:
    digest = hashlib.sha256()
    for index in range(3):
        image, mask, _ = data.read("train", index)
        digest.update(image.tobytes() + mask.tobytes())
    return digest.hexdigest()[:16]


def test_scenes_without_wires_stay_what_they_were() -> None:
    data = scenes((96, 128), seed=3)
    assert (data.fingerprint(), digest_of(data)) == ("bb7bd8bd7b9cd167", "61e9a1e3c6550217")
    assert scenes((96, 128), seed=3, thin=False).fingerprint() == data.fingerprint()


@pytest.mark.parametrize("size", [(64, 96), (256, 384)])
def test_wires_are_thin_rare_and_dark(size: tuple[int, int]) -> None:
    data = scenes((32, 32), thin=True, scene_size=size)
    assert data.class_names[WIRE] == "wire"
    assert data.classes == 7
    shares, thickest = [], 0.0
    for index in range(12):
        image, mask, _ = data.read("train", index)
        wire = mask == WIRE
        shares.append(wire.mean())
        thickest = max(thickest, np.percentile(distance_transform_edt(wire)[wire], 95))
        assert image[wire].mean() < 0.7 * image[~wire].mean()
    assert 0.006 < np.mean(shares) < 0.014
    assert max(shares) < 0.02
    assert thickest <= 2


def test_wires_alone_are_the_object_of_binary_scenes() -> None:
    binary = scenes((32, 32), thin=True, scene_size=(64, 96), classes=1)
    assert binary.class_names == ("background", "wire")
    whole = scenes((32, 32), thin=True, scene_size=(64, 96)).read("val", 0)
    assert np.array_equal(binary.read("val", 0).mask, whole.mask == WIRE)
    assert np.array_equal(binary.read("val", 0).image, whole.image)


def test_the_size_of_the_scenes_and_the_wires_change_the_fingerprint() -> None:
    settings: list[dict[str, object]] = [{}, {"thin": True}, {"scene_size": (64, 96)}, {"scene_size": (96, 64)}]
    assert len({scenes(**options).fingerprint() for options in settings}) == len(settings)  # type: ignore[arg-type]
    assert scenes((48, 64), scene_size=(48, 64)).fingerprint() == scenes((48, 64)).fingerprint()
    assert scenes((48, 64), scene_size=(100, 80)).read("train", 0).image.shape == (100, 80, 3)


@pytest.mark.parametrize(
    "option",
    [{"split": {"val": 0.2}}, {"mask_suffix": "_m"}, {"orientation": "raw"}, {"value_range": (0, 1)}, {"channels": 4}],
)
def test_what_scenes_have_no_choice_of_is_refused(option: dict[str, object]) -> None:
    with pytest.raises(DataError, match=rf"\[data\] {next(iter(option))}: synthetic scenes have no such choice"):
        open_dataset("synthetic", image_size=(32, 32), **option)  # type: ignore[arg-type]
