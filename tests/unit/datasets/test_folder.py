"""Data in folders: layout, classes, values, fingerprints."""

from __future__ import annotations

import json
import os
import shutil
import time
import unicodedata
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from datasets import DataError, Dataset, decoding
from datasets.formats import conventions, masks, open_dataset


def open_folder(path: Path, **options: object) -> Dataset:
    return open_dataset("folder", path=path, image_size=(24, 32), **options)  # type: ignore[arg-type]


def save_mask(path: Path, values: list[list[int]]) -> None:
    Image.fromarray(np.array(values, np.uint8)).save(path)


def test_a_whole_folder_reads_in_name_order(make_folder) -> None:
    root = make_folder({"train": 3, "val": 2, "test": 1})
    data = open_folder(root)
    assert data.splits == ("train", "val", "test")
    assert [data.length(split) for split in (*data.splits, "other")] == [3, 2, 1, 0]
    assert (data.class_names, data.classes, data.ignore_index) == (("sky", "land", "tree"), 3, 255)
    sample = data.read("train", 0)
    assert [data.read("train", index).name for index in range(3)] == ["train0", "train1", "train2"]
    assert sample.image.shape == (24, 32, 3)
    assert sample.image.dtype == np.uint8
    assert np.array_equal(sample.image, np.asarray(Image.open(root / "train/images/train0.png")))
    assert np.array_equal(sample.mask, np.asarray(Image.open(root / "train/masks/train0.png")))


@pytest.mark.parametrize("index", [-1, 3])
def test_reading_past_the_end_is_an_index_error(make_folder, index: int) -> None:
    with pytest.raises(IndexError):
        open_folder(make_folder()).read("train", index)


def test_a_missing_folder_and_a_file_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="does not exist"):
        open_folder(tmp_path / "nowhere")
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match="is a file"):
        open_folder(tmp_path / "file")


def test_a_missing_split_names_what_was_found(make_folder) -> None:
    root = make_folder({"train": 2, "dev": 2})
    with pytest.raises(DataError, match=r"val/ is missing.*found: dev, train"):
        open_folder(root)


def test_an_empty_split_names_what_was_found(make_folder) -> None:
    root = make_folder()
    for file in (root / "val/images").iterdir():
        file.rename(file.with_suffix(".gif"))
    with pytest.raises(DataError, match=r"val/images contains no .* files; found 2 \.gif"):
        open_folder(root)


def test_all_layout_problems_come_in_one_message_of_bounded_length(make_folder) -> None:
    root = make_folder({"train": 14, "val": 2})
    for index in range(13):
        (root / f"train/masks/train{index}.png").unlink()
    shutil.rmtree(root / "val/masks")
    with pytest.raises(DataError) as caught:
        open_folder(root)
    lines = str(caught.value).splitlines()
    assert len(lines) == 2
    assert lines[0].startswith("13 files (train0.png, train1.jpg, train10.png, ...): Image ")
    assert "has no mask; expected" in lines[0]
    assert "val/masks is missing" in lines[1]


def test_without_strict_the_layout_is_reported_and_the_rest_can_be_read(make_folder) -> None:
    root = make_folder()
    (root / "train/masks/train1.png").unlink()
    (root / "train/images/train2.png").unlink()
    data = open_folder(root, strict=False)
    assert [data.read("train", index).name for index in range(data.length("train"))] == ["train0"]
    messages = {problem.severity: problem.message for problem in data.layout_problems()}
    assert "train1.jpg has no mask" in messages["error"]
    assert "train2.png has no image" in messages["warning"]


def test_one_stem_twice_is_an_error(make_folder) -> None:
    root = make_folder()
    shutil.copy(root / "train/images/train0.png", root / "train/images/train0.jpeg")
    with pytest.raises(DataError, match="have the same name"):
        open_folder(root)


# "é" as one character, and as two.
FORMS = (unicodedata.normalize("NFC", "été"), unicodedata.normalize("NFD", "été"))


@pytest.mark.parametrize(("image", "mask"), [FORMS, FORMS[::-1]])
def test_a_name_is_the_same_in_both_unicode_forms(make_folder, image: str, mask: str) -> None:
    root = make_folder()
    for part, name in (("images", image), ("masks", mask)):
        (root / f"train/{part}/train0.png").rename(root / f"train/{part}/{name}.png")
    data = open_folder(root)
    assert not data.layout_problems()
    assert data.length("train") == 3
    names = [data.read("train", index).name for index in range(3)]
    assert names == sorted(["train1", "train2", image])


def test_one_name_in_two_unicode_forms_is_a_name_used_twice(make_folder) -> None:
    root = make_folder()
    for name in FORMS:
        shutil.copy(root / "train/images/train0.png", root / f"train/images/{name}.png")
    with pytest.raises(DataError, match="have the same name in two Unicode forms; keep one of them"):
        open_folder(root)


def test_hidden_files_are_passed_over_and_upper_case_suffixes_read(make_folder) -> None:
    root = make_folder()
    (root / "train/images/.DS_Store").touch()
    (root / "train/images/train0.png").rename(root / "train/images/train0.PNG")
    data = open_folder(root)
    assert data.length("train") == 3
    assert not data.layout_problems()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "not valid"),
        ("[1, 2]", "not valid"),
        ('{"classes": ["one"]}', "at least 2"),
        ('{"classes": ["a", 3]}', "string"),
        ('{"classes": ["a", "b\\nc"]}', "pattern"),
        ('{"classes": ["a", "a"]}', "twice"),
        ('{"classes": ["a", "b"], "ignore_index": 256}', "less than or equal to 255"),
        ('{"classes": ["a", "b"], "ignore_index": 1}', "ignore_index must be greater than"),
        ("[" * 100_000, "not valid"),
        ('{"classes": ["a", "b"], "padding": "' + "x" * 1_000_000 + '"}', "larger than"),
    ],
)
def test_a_bad_classes_file_is_refused(make_folder, content: str, message: str) -> None:
    root = make_folder(names=None)
    (root / "classes.json").write_text(content)
    with pytest.raises(DataError, match=message):
        open_folder(root)


def test_a_byte_order_mark_before_the_classes_is_no_content(make_folder) -> None:
    root = make_folder(names=None)
    (root / "classes.json").write_text(json.dumps({"classes": ["sky", "été", "tree"]}), encoding="utf-8-sig")
    assert open_folder(root).class_names == ("sky", "été", "tree")


def test_classes_must_agree_with_the_file(make_folder) -> None:
    root = make_folder()
    assert open_folder(root, classes=3).classes == 3
    for classes in (1, 2, 4):
        with pytest.raises(DataError, match=f"classes = {classes} does not match .* names 3: sky, land, tree"):
            open_folder(root, classes=classes)


def test_without_a_file_classes_must_be_given(make_folder) -> None:
    root = make_folder(names=None)
    with pytest.raises(DataError, match="number of classes is unknown"):
        open_folder(root)
    data = open_folder(root, classes=3)
    assert (data.class_names, data.classes) == (("class_0", "class_1", "class_2"), 3)
    with pytest.raises(DataError, match="2 to 255"):
        open_folder(root, classes=0)


def test_ignore_index_of_the_settings_outranks_the_files(make_folder) -> None:
    root = make_folder()
    (root / "classes.json").write_text(json.dumps({"classes": ["a", "b", "c"], "ignore_index": 200}))
    assert open_folder(root).ignore_index == 200
    assert open_folder(root, ignore_index=255).ignore_index == 255


def test_two_names_are_two_outputs_or_binary_as_asked(make_folder) -> None:
    root = make_folder(names=("background", "nucleus"), values=(0, 1))
    assert open_folder(root).classes == 2
    binary = open_folder(root, classes=1)
    assert (binary.classes, binary.class_names) == (1, ("background", "nucleus"))


def test_black_and_white_masks_are_binary(make_folder) -> None:
    root = make_folder(names=None, values=(0, 255))
    sample = open_folder(root, classes=1).read("train", 0)
    assert np.array_equal(sample.mask, np.resize([0, 1], (24, 32)))


def test_each_mask_is_looked_at_once_to_decide_what_white_means(make_folder, monkeypatch: pytest.MonkeyPatch) -> None:
    data = open_folder(make_folder({"train": 12, "val": 6}, names=None, values=(0, 255)), classes=1)
    opened: Counter[Path] = Counter()

    def counted(path: Path, kind: str) -> decoding.Stored:
        opened[path] += 1
        time.sleep(0.002)  # so that threads which do not wait for each other overlap
        return decoding.read_stored(path, kind)

    for module in (masks, conventions):
        monkeypatch.setattr(module, "read_stored", counted)
    with ThreadPoolExecutor(8) as pool:
        samples = list(pool.map(lambda index: data.read("train", index), range(12)))
    assert all(set(np.unique(sample.mask)) == {0, 1} for sample in samples)
    # Those of train are read once more, for their samples.
    assert Counter(opened.values()) == {2: 12, 1: 6}


def test_white_is_ignored_where_any_mask_of_the_data_holds_a_one(make_folder) -> None:
    root = make_folder(names=None, values=(0, 255))
    save_mask(root / "val/masks/val1.png", [[0, 1, 255]])
    sample = open_folder(root, classes=1).read("train", 0)
    assert np.array_equal(sample.mask, np.resize([0, 255], (24, 32)))


def test_white_is_ignored_in_data_of_two_outputs(make_folder) -> None:
    root = make_folder(names=("a", "b"), values=(0, 255))
    assert set(np.unique(open_folder(root).read("train", 0).mask)) == {0, 255}


def test_values_beyond_the_classes_are_named(make_folder) -> None:
    root = make_folder(values=(0, 1, 3, 7))
    with pytest.raises(DataError, match=r"values 3, 7; expected class ids 0 to 2 \(sky, land, tree\) or 255") as caught:
        open_folder(root).read("train", 0)
    assert caught.value.path == root / "train/masks/train0.png"


def test_sizes_of_image_and_mask_must_agree(make_folder) -> None:
    root = make_folder()
    save_mask(root / "train/masks/train0.png", [[0, 1]])
    with pytest.raises(DataError, match=r"is 24x32 .* 1x2"):
        open_folder(root).read("train", 0)


def test_a_file_that_went_away_is_a_data_error(make_folder) -> None:
    root = make_folder()
    data = open_folder(root)
    (root / "train/images/train0.png").unlink()
    with pytest.raises(DataError, match="missing"):
        data.read("train", 0)
    with pytest.raises(DataError, match="Cannot read"):
        data.fingerprint()


def test_a_copy_has_the_same_fingerprint_whatever_its_times(make_folder, tmp_path: Path) -> None:
    root = make_folder()
    copy = tmp_path / "copy"
    shutil.copytree(root, copy)
    os.utime(copy / "train/images/train0.png", (1, 1))
    assert open_folder(copy).fingerprint() == open_folder(root).fingerprint()


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(row=st.integers(0, 95), column=st.integers(0, 95), part=st.sampled_from(["images/train0", "masks/train0"]))
def test_one_changed_pixel_changes_the_fingerprint(
    make_folder, tmp_path: Path, row: int, column: int, part: str
) -> None:
    shutil.rmtree(tmp_path / "data", ignore_errors=True)
    # Much larger than the part of each file that is read.
    root = make_folder({"train": 1, "val": 1}, size=(96, 96))
    before = open_folder(root).fingerprint()
    file = root / "train" / f"{part}.png"
    pixels = np.array(Image.open(file))
    pixels[row, column] ^= 1
    Image.fromarray(pixels).save(file)
    assert open_folder(root).fingerprint() != before


def test_names_and_splits_are_part_of_the_fingerprint(make_folder) -> None:
    root = make_folder()
    prints = [open_folder(root).fingerprint()]
    (root / "train/images/train0.png").rename(root / "train/images/other.png")
    (root / "train/masks/train0.png").rename(root / "train/masks/other.png")
    prints.append(open_folder(root).fingerprint())
    (root / "classes.json").write_text(json.dumps({"classes": ["a", "b", "c"]}))
    prints.append(open_folder(root).fingerprint())
    assert len(set(prints)) == 3
