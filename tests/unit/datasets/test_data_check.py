"""What a check of the data finds before training would."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from datasets import DataError, Dataset, Problem, Sample, inspect_dataset
from datasets.formats import open_dataset


def open_folder(path: Path, size: tuple[int, int] = (24, 32), **options: object) -> Dataset:
    return open_dataset("folder", path=path, image_size=size, **options)  # type: ignore[arg-type]


def found(problems: list[Problem], severity: str, text: str) -> list[Problem]:
    return [problem for problem in problems if problem.severity == severity and text in problem.message]


def sample(values: list[int], index: int, size: tuple[int, int] = (10, 20)) -> Sample:
    image = np.random.default_rng(index).integers(0, 256, (*size, 3), dtype=np.uint8)
    return Sample(image, np.resize(np.array(values, np.uint8), size), f"image{index}")


def test_a_sound_dataset_has_no_problems(make_folder) -> None:
    data = open_folder(make_folder({"train": 20, "val": 10}, values=(0, 1, 2)))
    assert inspect_dataset(data).problems == []


def test_one_pass_serves_problems_and_statistics_and_reports_progress(memory_dataset) -> None:
    data = memory_dataset({"train": 70, "val": 20})
    calls: list[tuple[int, int]] = []
    problems, statistics = inspect_dataset(data, lambda done, total: calls.append((done, total)))
    assert problems
    assert [split.images for split in statistics.splits] == [70, 20]
    assert data.reads == 90
    assert calls == [(done, 90) for done in range(1, 91)]


def test_every_broken_file_is_reported_with_its_path(make_folder) -> None:
    root = make_folder({"train": 6, "val": 2})
    masks, images = root / "train/masks", root / "train/images"
    images.joinpath("train0.png").write_bytes(images.joinpath("train0.png").read_bytes()[:500])
    Image.fromarray(np.zeros((5, 5), np.uint8)).save(masks / "train1.png")
    Image.fromarray(np.full((24, 32), 9, np.uint8)).save(masks / "train2.png")
    Image.fromarray(np.full((24, 32, 3), (0, 0, 9), np.uint8)).save(masks / "train3.png")
    masks.joinpath("train4.png").write_bytes(b"")
    shutil.copy(masks / "train5.png", masks / "no_image.png")
    problems = inspect_dataset(open_folder(root)).problems
    errors = {problem.path: problem.message for problem in problems if problem.severity == "error"}
    assert set(errors) == {images / "train0.png", *(masks / f"train{index}.png" for index in (1, 2, 3, 4))}
    assert "same size" in errors[masks / "train1.png"]
    assert "values 9" in errors[masks / "train2.png"]
    assert "colours: #000009" in errors[masks / "train3.png"]
    assert [problem.severity for problem in problems] == sorted(problem.severity for problem in problems)


def test_layout_problems_are_among_those_of_the_check(make_folder) -> None:
    root = make_folder()
    shutil.rmtree(root / "val")
    (root / "train/masks/train0.png").unlink()
    with pytest.raises(DataError):
        open_folder(root)
    problems = inspect_dataset(open_folder(root, strict=False)).problems
    assert found(problems, "error", "val/ is missing")
    assert found(problems, "error", "has no mask")


def test_statistics_count_pixels_and_images(memory_dataset) -> None:
    train = [sample([0, 1], 0), sample([0, 0, 0, 255], 1), sample([0], 2, (20, 20))]
    data = memory_dataset(samples={"train": train, "val": [sample([1], 3)]}, class_names=("land", "water"))
    statistics = inspect_dataset(data).statistics
    split = statistics.split("train")
    assert split is not None
    assert (split.images, split.sizes) == (3, (((10, 20), 2), ((20, 20), 1)))
    assert split.ignored_share == pytest.approx(50 / 800)
    land, water = split.classes
    assert (land.name, land.pixels, land.images) == ("land", 650, 3)
    assert (water.pixels, water.images) == (100, 1)
    assert water.share == pytest.approx(100 / 750)
    assert statistics.split("test") is None


def test_missing_classes_are_named(memory_dataset) -> None:
    names = ("land", "water", "road")
    data = memory_dataset(samples={"train": [sample([0, 1], 0)], "val": [sample([0, 2], 1)]}, class_names=names)
    problems = inspect_dataset(data).problems
    assert found(problems, "warning", "train contains no pixels of road: it can't be learned")
    assert found(problems, "warning", "val contains no pixels of water: its score can't be measured")


def test_imbalance_is_named(memory_dataset) -> None:
    data = memory_dataset(samples={"train": [sample([0] * 199 + [1], i, (20, 20)) for i in range(20)]})
    rare = memory_dataset(samples={"train": [sample([0] * 399 + [1], i, (20, 20)) for i in range(20)]})
    assert not found(inspect_dataset(data).problems, "warning", "Rare classes")
    assert found(inspect_dataset(data).problems, "warning", "are land")
    assert found(inspect_dataset(rare).problems, "warning", "water (0.25%, in 20 images)")


def test_images_shared_by_splits_are_leaks(memory_dataset) -> None:
    data = memory_dataset(samples={"train": [sample([0, 1], i) for i in range(5)], "val": [sample([0, 1], 4)]})
    leak = found(inspect_dataset(data).problems, "warning", "in both train and val")
    assert len(leak) == 1
    assert "1 image is" in leak[0].message
    apart = memory_dataset(samples={"train": [sample([0, 1], i) for i in range(5)], "val": [sample([0, 1], 5)]})
    assert not found(inspect_dataset(apart).problems, "warning", "in both")


def test_a_reencoded_copy_is_a_leak_too(make_folder) -> None:
    root = make_folder()
    Image.open(root / "train/images/train0.png").save(root / "val/images/val0.png", compress_level=1)
    assert found(inspect_dataset(open_folder(root)).problems, "warning", "in both train and val")


def test_sizes_that_the_resize_harms_are_named(make_folder) -> None:
    root = make_folder()
    assert found(inspect_dataset(open_folder(root, (49, 65))).problems, "warning", "less than half of image_size")
    assert not found(inspect_dataset(open_folder(root, (48, 64))).problems, "warning", "less than half of image_size")
    assert found(inspect_dataset(open_folder(root, (32, 28))).problems, "warning", "stretched")
    assert not found(inspect_dataset(open_folder(root, (32, 32))).problems, "warning", "stretched")


def test_few_images_and_much_ignored_are_named(memory_dataset) -> None:
    train = [sample([0, 1, 255, 255, 255], i) for i in range(19)]
    problems = inspect_dataset(memory_dataset(samples={"train": train, "val": [sample([0, 1], 30)]})).problems
    assert found(problems, "warning", "train has only 19 images")
    assert found(problems, "warning", "val has only 1 image:")
    assert found(problems, "warning", "60% of the pixels of train are ignored")


def test_masks_of_nothing_but_ignored_pixels_are_no_crash(memory_dataset) -> None:
    problems = inspect_dataset(memory_dataset(samples={"train": [sample([255], 0)]})).problems
    assert found(problems, "warning", "100% of the pixels of train are ignored")


@pytest.mark.parametrize(
    ("name", "classes", "images"), [("camvid", None, 701), ("dsb2018", 1, 664), ("cwfid", None, 60)]
)
def test_real_data_have_no_errors(real_data, name: str, classes: int | None, images: int) -> None:
    data = open_folder(real_data(name), (128, 128), classes=classes)
    problems, statistics = inspect_dataset(data)
    assert not [problem for problem in problems if problem.severity == "error"]
    assert sum(split.images for split in statistics.splits) == images
