"""What the check says of objects at the size trained, of images that look alike, of names of sides; its advice."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFilter

from datasets import ClassStatistics, Dataset, Framing, Problem, Sample, SplitStatistics, inspect_dataset
from datasets.advice import advise_loss, advise_resize
from datasets.formats import open_dataset
from datasets.judgement import judge_names
from datasets.look import difference_hash
from datasets.resizing import resize_mask


def warnings(data: Dataset, text: str) -> list[str]:
    return [problem.message for problem in inspect_dataset(data).problems if text in problem.message]


def train_of(data: Dataset) -> SplitStatistics:
    split = inspect_dataset(data).statistics.split("train")
    assert split is not None
    return split


def of_mask(memory_dataset, mask: np.ndarray, image_size: tuple[int, int]) -> Dataset:
    """A dataset of one image with this mask."""
    image = np.zeros((*mask.shape, 3), np.uint8)
    data: Dataset = memory_dataset(samples={"train": [Sample(image, mask, "one")]}, size=image_size)
    return data


def photo(seed: int) -> Image.Image:
    """Soft blobs, of which no two are alike."""
    noise = np.random.default_rng(seed).integers(0, 256, (9, 12, 3), np.uint8)
    return Image.fromarray(noise).resize((96, 72), Image.Resampling.BICUBIC)


def sample_of(image: Image.Image, mask: np.ndarray | None = None, name: str = "a") -> Sample:
    pixels = np.asarray(image)
    return Sample(pixels, np.zeros(pixels.shape[:2], np.uint8) if mask is None else mask, name)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_objects_are_counted_with_those_that_survive(memory_dataset, seed: int) -> None:
    rng = np.random.default_rng(seed)
    mask = np.zeros((60, 80), np.uint8)
    sides = []
    for place in range(12):  # squares that do not touch, of 1 to 8 pixels
        side = int(rng.integers(1, 9))
        top, left = 20 * (place // 4) + 2, 20 * (place % 4) + 2
        mask[top : top + side, left : left + side] = 1
        sides.append((top, left, side))
    data = of_mask(memory_dataset, mask, (15, 20))
    water = train_of(data).classes[1]
    assert water.objects == 12
    assert water.object_size == pytest.approx(np.mean([side**2 for *_, side in sides]) ** 0.5)
    small = resize_mask(mask, (15, 20))
    assert (water.kept_objects > 0) == bool(small.any()) == bool(water.kept_images)
    # Each square is far from the others, so that what is left of it lies where it was.
    kept = [
        small[max(0, top // 4 - 1) : (top + side) // 4 + 2, max(0, x // 4 - 1) : (x + side) // 4 + 2].any()
        for top, x, side in sides
    ]
    assert water.kept_objects == sum(kept)
    lost = sum(side**2 for (*_, side), found in zip(sides, kept, strict=True) if not found)
    assert water.lost_share == pytest.approx(lost / (mask == 1).sum())


@pytest.mark.parametrize("width", [1, 2, 5])
def test_the_width_of_stripes_is_measured(memory_dataset, width: int) -> None:
    mask = np.zeros((100, 400), np.uint8)
    mask[20 : 20 + width] = 1
    assert train_of(of_mask(memory_dataset, mask, (100, 400))).classes[1].width == pytest.approx(width)


def test_thin_and_small_objects_that_resizing_harms_are_named_unless_images_are_cropped() -> None:
    def wires(**options: object) -> Dataset:
        return open_dataset(
            "synthetic",
            image_size=(64, 96),
            scene_size=(192, 288),
            thin=True,
            train_images=8,
            **options,  # type: ignore[arg-type]
        )

    (said,) = warnings(wires(), "wire of train, resized to 64x96")
    assert "pixels wide on average" in said
    assert 'resize = "crop"' in said
    assert warnings(wires(resize="crop"), "wire of train") == []
    assert warnings(wires(resize="crop", scale=0.3), "wire of train, scaled by 0.3")


def test_classes_that_vanish_from_images_are_counted(memory_dataset) -> None:
    mask = np.zeros((64, 64), np.uint8)
    mask[0, 0] = 1  # nearest neighbour takes other pixels
    assert warnings(of_mask(memory_dataset, mask, (16, 16)), "vanishes from 1 of the 1 images that hold it")
    assert not warnings(of_mask(memory_dataset, mask, (64, 64)), "vanishes")


@pytest.mark.parametrize(
    ("framing", "size"),
    [
        (Framing((50, 60)), (50, 60)),
        (Framing((50, 60), "pad"), (50, 25)),
        (Framing((50, 60), "crop"), (200, 100)),
        (Framing((50, 60), "crop", 0.5), (100, 50)),
    ],
)
def test_the_size_trained_follows_the_framing(framing: Framing, size: tuple[int, int]) -> None:
    assert framing.content((200, 100)) == size


def test_images_that_look_alike_are_found_across_splits_only(memory_dataset) -> None:
    bright = photo(0).point(lambda value: min(255, value + 12))
    smaller, softer = photo(1).resize((48, 36)), photo(2).filter(ImageFilter.GaussianBlur(1))
    train = [sample_of(photo(seed), name=f"t{seed}") for seed in range(40)]
    val = [sample_of(image, name=f"v{place}") for place, image in enumerate((bright, smaller, softer, photo(99)))]
    data = memory_dataset(samples={"train": [*train, sample_of(bright, name="again")], "val": val[1:]})
    (said,) = warnings(data, "look nearly like")
    assert "2 images of val look nearly like an image of train (such as v1 like t1, v2 like t2)" in said


def test_flat_images_do_not_look_alike(memory_dataset) -> None:
    flat = [sample_of(Image.new("RGB", (64, 64), (shade, shade, shade))) for shade in (10, 20, 30)]
    assert warnings(memory_dataset(samples={"train": flat[:2], "val": flat[2:]}), "nearly like") == []


def test_images_of_real_data_that_look_alike_are_few(real_data) -> None:
    data = open_dataset("folder", path=real_data("camvid"), image_size=(128, 128))
    (said,) = warnings(data, "nearly like")
    assert said.startswith(
        "1 image of test looks nearly like an image of train (such as 0001TP_008550 like 0001TP_008520)"
    )


def test_the_hash_of_an_image_takes_any_number_of_channels() -> None:
    grey = np.asarray(photo(3).convert("L"))[..., None]
    assert difference_hash(grey) == difference_hash(np.repeat(grey, 3, axis=-1))
    assert difference_hash(np.concatenate([np.asarray(photo(3)), grey], axis=-1)) == difference_hash(
        np.asarray(photo(3))
    )


@pytest.mark.parametrize(
    ("names", "mirror", "said"),
    [
        (("other", "left lung", "right lung"), (), "left lung, right lung name a side"),
        (("other", "left_lung", "RightLung"), (), "left_lung names a side"),
        (("other", "left lung", "right lung"), ((1, 2),), None),
        (("background", "bright", "cleft"), (), None),
    ],
)
def test_names_of_sides_need_pairs(
    names: tuple[str, ...], mirror: tuple[tuple[int, int], ...], said: str | None
) -> None:
    found: list[Problem] = list(judge_names(names, mirror))
    assert [problem.severity for problem in found] == ["warning"] * (said is not None)
    assert said is None or said in found[0].message


def split_of(classes: list[tuple[str, float, float]], size: tuple[int, int] = (400, 600)) -> SplitStatistics:
    """A training split of classes with their share and width."""
    labels = tuple(
        ClassStatistics(name, int(1e6 * share), share, 9, 9, width, 9, 9, 0.0, width) for name, share, width in classes
    )
    return SplitStatistics("train", 9, ((size, 9),), 0.0, labels)


@pytest.mark.parametrize(
    ("classes", "size", "resize", "reason"),
    [
        ([("land", 0.98, 99.0), ("crack", 0.02, 3.0)], (400, 600), "crop", "crack is 3.0 pixels wide"),
        ([("land", 0.8, 99.0), ("lake", 0.2, 40.0)], (400, 600), "crop", "resized to 0.25 of their size"),
        ([("land", 0.8, 99.0), ("lake", 0.2, 200.0)], (400, 600), "stretch", "wide enough"),
        ([("land", 0.8, 99.0), ("lake", 0.2, 200.0)], (600, 400), "pad", "another shape"),
        # As thin, but the images are hardly larger than the input.
        ([("land", 0.98, 99.0), ("crack", 0.02, 1.5)], (110, 165), "stretch", "wide enough"),
        # The ground between the objects may be as thin as it likes.
        ([("ground", 0.7, 2.0), ("leaf", 0.3, 200.0)], (400, 600), "stretch", "wide enough"),
    ],
)
def test_advice_on_resizing(classes, size: tuple[int, int], resize: str, reason: str) -> None:
    advice = advise_resize(split_of(classes, size), Framing((100, 150)))
    assert advice.value == resize
    assert reason in advice.reason


def test_advice_on_the_loss() -> None:
    assert advise_loss(split_of([("land", 0.5, 9.0), ("lake", 0.5, 9.0)])).value == "crossentropy"
    rare = advise_loss(split_of([("land", 0.985, 9.0), ("crack", 0.015, 9.0), ("absent", 0.0, 9.0)]))
    assert rare.value == "crossentropy+dice"
    assert "crack has only 1.50%" in rare.reason


class ManyImages(Dataset):
    """Images that are made when they are read."""

    def __init__(self, images: int) -> None:
        super().__init__(framing=Framing((8, 8)), class_names=("land", "water"), classes=2, ignore_index=255)
        self.images = images

    def length(self, split: str) -> int:
        return {"train": self.images, "val": 10}.get(split, 0)

    def read(self, split: str, index: int) -> Sample:
        image = np.random.default_rng(index).integers(0, 256, (8, 8, 3), np.uint8)
        return Sample(image, image[..., 0] % 2, f"{split}_{index:09d}")

    def fingerprint(self) -> str:
        return "many"


def test_memory_grows_by_little_with_each_image() -> None:
    def peak(images: int) -> int:
        tracemalloc.start()
        inspect_dataset(ManyImages(images))
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    peak(100)  # what is loaded once
    assert (peak(3300) - peak(300)) / 3000 < 400
