"""The embedded scenes: repeatable, apart, and made of what they promise."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datasets import DataError, Dataset, open_dataset
from datasets.scenes import CROP, ROOF, TREE


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
    data = scenes((96, 128))
    assert not [problem for problem in data.check() if problem.severity == "error"]
    for split in data.statistics().splits:
        assert all(label.images > 0.2 * split.images for label in split.classes), split


def test_masks_lie_on_what_they_name() -> None:
    data = scenes((96, 128))
    brightness: dict[bool, list[np.ndarray]] = {True: [], False: []}
    for index in range(20):
        image, mask, _ = data.read("train", index)
        for tree, found in brightness.items():
            found.append(image[(mask == TREE) == tree])
    # Trees are the darkest things of a scene.
    assert np.concatenate(brightness[True]).mean() < 0.75 * np.concatenate(brightness[False]).mean()


def test_crop_and_roof_look_alike_pixel_by_pixel() -> None:
    data = scenes((96, 128), train_images=200)
    pixels: dict[int, list[np.ndarray]] = {CROP: [], ROOF: []}
    for index in range(200):
        image, mask, _ = data.read("train", index)
        # Away from outlines and shadows, which are what tells them apart.
        inside = np.ones(mask.shape, bool)
        for shift in (-4, 4):
            for axis in (0, 1):
                inside &= np.roll(mask, shift, axis) == mask
        for label, found in pixels.items():
            found.append(image[inside & (mask == label)])
    crop, roof = (np.concatenate(pixels[label]).astype(float) for label in (CROP, ROOF))
    spread = crop.std(axis=0)
    assert (np.abs(crop.mean(axis=0) - roof.mean(axis=0)) < 0.3 * spread).all()


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
