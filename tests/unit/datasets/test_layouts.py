"""Every layout of folders, and lists in CSV files: read equal to the truth, pixel by pixel."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from datasets import DataError, Dataset, open_dataset

NAMES = ("ground", "crop", "weed")
SPLITS = {"train": 6, "val": 3, "test": 2}


def truth(number: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(number)
    return rng.integers(0, 256, (16, 24, 3), np.uint8), rng.integers(0, 3, (16, 24), np.uint8)


def write(root: Path, place: Callable[[str, str], tuple[str, str]], *, splits: bool = True) -> list[tuple[str, str]]:
    """Write images and masks where `place` says for a split and a stem; returns the paths by number."""
    written: list[tuple[str, str]] = []
    for split, count in SPLITS.items():
        for _ in range(count):
            image, mask = truth(len(written))
            paths = place(split, f"{len(written):03d}")
            for path, array in zip(paths, (image, mask), strict=True):
                (root / path).parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(array).save(root / path, lossless=True)
            written.append(paths)
    (root / "classes.json").write_text(json.dumps({"classes": NAMES}))
    return written


def assert_true(data: Dataset, *, exact: bool = True) -> None:
    for split in data.splits:
        for index in range(data.length(split)):
            sample = data.read(split, index)
            image, mask = truth(int(Path(sample.name).name))
            assert np.array_equal(sample.mask, mask)
            assert not exact or np.array_equal(sample.image, image)


def opened(path: Path, name: str = "folder", **options: Any) -> Dataset:
    return open_dataset(name, path=path, image_size=(16, 24), **options)


LAYOUTS: dict[str, tuple[Callable[[str, str], tuple[str, str]], dict[str, Any]]] = {
    "splits above": (lambda split, stem: (f"{split}/images/{stem}.png", f"{split}/masks/{stem}.png"), {}),
    "valid": (
        lambda split, stem: (
            f"{split.replace('val', 'valid')}/images/{stem}.bmp",
            f"{split.replace('val', 'valid')}/masks/{stem}.png",
        ),
        {},
    ),
    "splits below": (lambda split, stem: (f"images/{split}/{stem}.png", f"masks/{split}/{stem}.tif"), {}),
    "suffix": (
        lambda split, stem: (f"{split}/images/{stem}.png", f"{split}/masks/{stem}_mask.png"),
        {"mask_suffix": "_mask"},
    ),
    "side by side": (lambda split, stem: (f"{split}/{stem}.png", f"{split}/{stem}_mask.png"), {"mask_suffix": "_mask"}),
    "side by side, told by format": (lambda split, stem: (f"{split}/{stem}.webp", f"{split}/{stem}.png"), {}),
}


@pytest.mark.parametrize("name", LAYOUTS)
def test_layouts_with_splits(tmp_path: Path, name: str) -> None:
    place, options = LAYOUTS[name]
    write(tmp_path, place)
    data = opened(tmp_path, **options)
    assert {split: data.length(split) for split in data.splits} == SPLITS
    assert_true(data)


@pytest.mark.parametrize(
    ("place", "options"),
    [
        (lambda _, stem: (f"images/{stem}.png", f"masks/{stem}.png"), {}),
        (lambda _, stem: (f"images/{stem}.png", f"masks/{stem}-gt.png"), {"mask_suffix": "-gt"}),
        (lambda _, stem: (f"{stem}.png", f"{stem}_mask.png"), {"mask_suffix": "_mask"}),
        (lambda _, stem: (f"{stem}.webp", f"{stem}.png"), {}),
    ],
)
def test_layouts_without_splits(tmp_path: Path, place: Callable[[str, str], tuple[str, str]], options: Any) -> None:
    write(tmp_path, place)
    data = opened(tmp_path, split={"val": 0.3}, **options)
    assert (data.length("train"), data.length("val")) == (8, 3)
    assert_true(data)


def test_images_that_cannot_be_told_from_masks(tmp_path: Path) -> None:
    write(tmp_path, lambda split, stem: (f"{split}/{stem}.png", f"{split}/{stem}_mask.png"))
    with pytest.raises(DataError, match=r"does not tell images from masks; set \[data\] mask_suffix"):
        opened(tmp_path)


def test_two_folders_of_one_split(tmp_path: Path) -> None:
    write(tmp_path, lambda split, stem: (f"{split}/images/{stem}.png", f"{split}/masks/{stem}.png"))
    (tmp_path / "valid").mkdir()
    with pytest.raises(DataError, match=r"val/ and valid/, which both mean val"):
        opened(tmp_path)


def test_a_folder_of_two_layouts(tmp_path: Path) -> None:
    write(tmp_path, lambda split, stem: (f"{split}/images/{stem}.png", f"{split}/masks/{stem}.png"))
    write(tmp_path, lambda _, stem: (f"images/{stem}.png", f"masks/{stem}.png"))
    with pytest.raises(DataError, match="contains train/, val/, test/ and also images/ and masks/"):
        opened(tmp_path)


def test_a_folder_of_no_layout(tmp_path: Path) -> None:
    write(tmp_path, lambda _, stem: (f"photos/{stem}.png", f"masks/{stem}.png"))
    with pytest.raises(DataError, match=r"has no layout that is read; expected .* Found: masks, photos\."):
        opened(tmp_path)


def test_training_images_alone(tmp_path: Path) -> None:
    write(tmp_path, lambda _, stem: (f"train/images/{stem}.png", f"train/masks/{stem}.png"))
    with pytest.raises(DataError, match=r"val/ is missing.*\(or \[data\] split = \{ val = 0.2 \}.*found: train\."):
        opened(tmp_path)


def test_files_that_are_not_read_are_counted(tmp_path: Path) -> None:
    write(tmp_path, lambda split, stem: (f"images/{split}/{stem}.png", f"masks/{split}/{stem}.png"))
    (tmp_path / "images" / "stray.png").touch()
    assert [problem.message for problem in opened(tmp_path).layout_problems()] == [
        f"Not used in {tmp_path / 'images'}: 1 files beside splits, such as stray.png."
    ]


def test_files_beside_images_and_masks_are_counted(tmp_path: Path) -> None:
    write(tmp_path, lambda split, stem: (f"{split}/{stem}.png", f"{split}/{stem}_mask.png"))
    (tmp_path / "train" / "photo.gif").touch()
    (problem,) = opened(tmp_path, mask_suffix="_mask").layout_problems()
    assert "1 .gif" in problem.message


def test_a_suffix_in_another_unicode_form(tmp_path: Path) -> None:
    suffix = unicodedata.normalize("NFD", "_máscara")
    write(tmp_path, lambda split, stem: (f"{split}/{stem}.png", f"{split}/{stem}{suffix}.png"))
    assert_true(opened(tmp_path, mask_suffix=unicodedata.normalize("NFC", suffix)))


def test_masks_without_the_suffix(tmp_path: Path) -> None:
    write(tmp_path, lambda split, stem: (f"{split}/images/{stem}.png", f"{split}/masks/{stem}.png"))
    with pytest.raises(DataError, match=r"11 files \(000\.png, 001\.png, 002\.png, \.\.\.\): Image .* has no mask"):
        opened(tmp_path, mask_suffix="_mask")


# CSV


def test_csv_without_validation(tmp_path: Path) -> None:
    ((image, mask), *_) = write(tmp_path, lambda _, stem: (f"{stem}.png", f"masks/{stem}.png"))
    file = csv_file(tmp_path, "image,mask,split", [f"{image},{mask},train"])
    with pytest.raises(DataError, match=r"no images of val.*set \[data\] split = \{ val = 0.2 \}"):
        opened(file, "csv")


def csv_file(root: Path, columns: str, lines: list[str], delimiter: str = ",", encoding: str = "utf-8") -> Path:
    text = "\n".join([columns, *lines]).replace(",", delimiter)
    (root / "data.csv").write_text(text + "\n", encoding=encoding)
    return root / "data.csv"


@pytest.mark.parametrize(("delimiter", "encoding"), [(",", "utf-8"), (";", "utf-8-sig"), ("\t", "utf-8")])
def test_csv_with_splits(tmp_path: Path, delimiter: str, encoding: str) -> None:
    written = write(tmp_path, lambda _, stem: (f"photos/{stem}.png", f"drawn/x{stem}.png"))
    names = ["train"] * 6 + ["Valid"] * 3 + ["TEST"] * 2
    lines = [f"{image},{mask},{split},7" for (image, mask), split in zip(written, names, strict=True)]
    data = opened(csv_file(tmp_path, "Image,Mask,split,remark", lines, delimiter, encoding), "csv")
    assert {split: data.length(split) for split in data.splits} == SPLITS
    assert data.read("train", 0).name == "photos/000"
    assert_true(data)


def test_csv_with_groups(tmp_path: Path) -> None:
    written = write(tmp_path, lambda _, stem: (f"{stem}.png", f"masks/{stem}.png"))
    lines = [f"{image},{mask},scene{number % 4}" for number, (image, mask) in enumerate(written)]
    data = opened(csv_file(tmp_path, "image,mask,group", lines), "csv", split={"val": 0.3})
    scenes = [
        {int(data.read(split, index).name) % 4 for index in range(data.length(split))} for split in ("train", "val")
    ]
    assert not scenes[0] & scenes[1]
    assert_true(data)


def test_csv_names_are_paths_from_the_file_however_they_are_written(tmp_path: Path) -> None:
    written = write(tmp_path, lambda _, stem: (f"lists/a/{stem}.png", f"masks/{stem}.png"))
    file = tmp_path / "lists" / "data.csv"
    names = [f"{tmp_path}/lists/a/000.png", "./a/001.png", "../lists/a/002.png", "a/003.png"]
    lines = [f'"{image}",../{mask}' for image, (_, mask) in zip(names, written, strict=False)]
    file.write_text("\n".join(["image,mask", *lines]))
    data = opened(file, "csv", classes=3, split={"val": 0.5})
    found = [data.read(split, index).name for split in ("train", "val") for index in range(2)]
    assert sorted(found) == ["a/000", "a/001", "a/002", "a/003"]
    assert_true(data)


def test_csv_groups_are_given_in_one_place(tmp_path: Path) -> None:
    written = write(tmp_path, lambda _, stem: (f"{stem}.png", f"masks/{stem}.png"))
    lines = [f"{image},{mask},{number % 4}" for number, (image, mask) in enumerate(written)]
    with pytest.raises(DataError, match=r"group is given, but .* has a column group too"):
        opened(csv_file(tmp_path, "image,mask,group", lines), "csv", split={"val": 0.3, "group": "^(0)"})


@pytest.mark.parametrize(
    ("columns", "lines", "match"),
    [
        ("image", ["a.png"], "starts with 'image'; expected the names of columns in its first line: image and mask"),
        ("image,mask", [], "lists no images"),
        ("image,mask,Image", ["a.png,m.png,b.png"], "more than one column image"),
        ("image,mask", ["a, b.png,m.png"], "line 2: 3 cells, but the first line has 2 columns; put cells .* in quotes"),
        ("image,mask", ["a.png,m.png", "a.jpg,n.png"], "lines 2 and 3 name a.png and a.jpg"),
        ("image,mask", [f"{'a' * 5000}.png,m.png"], "is missing; paths in the CSV file are relative"),
        ("image,mask", [f'"{"a" * 200_000}.png",m.png'], "line 2: field larger than field limit"),
        ("a" * 200_000, [], "has no end of a line in 200,000 characters"),
        ("image,mask", ["a.png,"], "line 2: the mask is missing"),
        ("image,mask,split", ["a.png,m.png,dev"], "split is 'dev'; expected train, val"),
        ("image,mask,split", ["a.png,m.png,train", "b.png,m.png,"], "a split for some images only"),
        ("image,mask", ["a.png,m.png", "b.png,m.png", "a.png,n.png"], "lines 2 and 4 name a.png and a.png; keep one"),
        ("image,mask,split", ["a.png,m.png,test"], "a.png is missing"),
        ("image,mask,split", ["a.png,m.png,train", "b.png,m.png,val"], r"2 files \(a\.png, b\.png\): .* is missing"),
    ],
)
def test_mistakes_in_csv_files(tmp_path: Path, columns: str, lines: list[str], match: str) -> None:
    with pytest.raises(DataError, match=match):
        opened(csv_file(tmp_path, columns, lines), "csv", classes=3)
