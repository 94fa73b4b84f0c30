"""Formats of public data sets and of annotation tools: faithful miniatures, read equal to the truth, pixel by pixel."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from scipy.io import savemat

from datasets import DataError, Dataset, open_dataset
from datasets.colors import voc_colors
from datasets.formats.camvid import COLORS
from datasets.formats.voc import VOC_CLASSES

SIZE = (20, 30)


def opened(name: str, path: Path, **options: Any) -> Dataset:
    return open_dataset(name, path=path, image_size=(32, 32), **options)


def save(path: Path, array: np.ndarray, palette: np.ndarray | None = None) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(array)
    if palette is not None:
        image.putpalette(palette.tobytes())
    image.save(path)


def photo(number: int) -> np.ndarray:
    return np.random.default_rng(number).integers(0, 256, (*SIZE, 3), np.uint8)


def boxes(number: int, values: int) -> np.ndarray:
    """Boxes of ids 1 .. values - 1 on 0, at whole pixels."""
    rng = np.random.default_rng(number)
    mask = np.zeros(SIZE, np.uint8)
    for index in range(1, values):
        y, x = rng.integers(0, 12), rng.integers(0, 20)
        mask[y : y + rng.integers(2, 8), x : x + rng.integers(2, 10)] = index
    return mask


def assert_masks(data: Dataset, split: str, truth: dict[str, np.ndarray]) -> None:
    found = {data.read(split, index).name: data.read(split, index).mask for index in range(data.length(split))}
    assert found.keys() == truth.keys()
    for name, mask in truth.items():
        assert np.array_equal(found[name], mask), name


# PASCAL VOC


def make_voc(
    root: Path, masks: str = "SegmentationClass", lists: dict[str, range] | None = None
) -> dict[str, dict[str, np.ndarray]]:
    truth: dict[str, dict[str, np.ndarray]] = {}
    for split, numbers in (lists or {"train": range(3), "val": range(3, 5)}).items():
        truth[split] = {}
        for number in numbers:
            name = f"2007_{number:06d}"
            mask = np.where(boxes(number, 4) == 3, 255, boxes(number, 4) * 10).astype(np.uint8)
            mask[0, :5] = [0, 5, 15, 20, 255]
            save(root / f"JPEGImages/{name}.jpg", photo(number))
            save(root / f"{masks}/{name}.png", mask, voc_colors(256))
            truth[split][name] = mask
        listed = root / f"ImageSets/Segmentation/{split}.txt"
        listed.parent.mkdir(parents=True, exist_ok=True)
        listed.write_text("\n".join(truth[split]) + "\n")
    return truth


def test_voc(tmp_path: Path) -> None:
    truth = make_voc(tmp_path)
    (tmp_path / "ImageSets/Segmentation/test.txt").write_text("2008_000001\n")  # whose mask is kept secret
    (tmp_path / "ImageSets/Segmentation/trainval.txt").write_text("2007_000001\n")
    data = opened("voc", tmp_path)
    assert data.class_names == VOC_CLASSES
    assert data.splits == ("train", "val")
    for split, masks in truth.items():
        assert_masks(data, split, masks)


def test_voc_with_the_augmented_masks(tmp_path: Path) -> None:
    make_voc(tmp_path)
    mask = boxes(9, 21)
    save(tmp_path / "SegmentationClassAug/2007_000000.png", mask)  # grey
    for name in ("2007_000003", "2007_000004"):
        save(tmp_path / f"SegmentationClassAug/{name}.png", mask)
    line = "/JPEGImages/2007_000000.jpg /SegmentationClassAug/2007_000000.png\n"
    (tmp_path / "ImageSets/Segmentation/train_aug.txt").write_text(line)
    data = opened("voc", tmp_path, mask_folder="SegmentationClassAug", train_list="train_aug")
    assert_masks(data, "train", {"2007_000000": mask})


def test_semantic_boundaries(tmp_path: Path) -> None:
    masks = {f"2008_{number:06d}": boxes(number, 21) for number in range(4)}
    for name, mask in masks.items():
        save(tmp_path / f"img/{name}.jpg", photo(1))
        (tmp_path / "cls").mkdir(exist_ok=True)
        savemat(tmp_path / f"cls/{name}.mat", {"GTcls": {"Segmentation": mask, "CategoriesPresent": [[1]]}})
    names = list(masks)
    (tmp_path / "train.txt").write_text("\n".join(names[:2]))
    (tmp_path / "val.txt").write_text("\n".join(names[2:]))
    data = opened("voc", tmp_path)
    assert_masks(data, "train", {name: masks[name] for name in names[:2]})
    assert_masks(data, "val", {name: masks[name] for name in names[2:]})
    (tmp_path / f"cls/{names[0]}.mat").write_bytes(b"no MATLAB file")
    with pytest.raises(DataError, match=r"Cannot read mask .*2008_000000\.mat"):
        data.read("train", 0)


def test_a_list_that_names_what_is_missing(tmp_path: Path) -> None:
    make_voc(tmp_path)
    with (tmp_path / "ImageSets/Segmentation/train.txt").open("a") as file:
        file.write("gone_1\ngone_2\n")
    with pytest.raises(DataError, match=r"2 files \(gone_1, gone_2\): .* names gone_1, of which there is no image"):
        opened("voc", tmp_path)


def test_a_list_that_is_missing(tmp_path: Path) -> None:
    make_voc(tmp_path)
    with pytest.raises(DataError, match=r"train_aug\.txt is missing; found train, val. Set \[data\] train_list"):
        opened("voc", tmp_path, train_list="train_aug")
    with pytest.raises(DataError, match=r"JPEGImages is missing"):
        opened("voc", tmp_path / "ImageSets")


@pytest.mark.parametrize(
    ("label_map", "match"),
    [
        ("background:0,0,0::\nweed:0,0,0::\n", "a colour to two labels"),
        ("background:0,0,0::\nweed\n", "'weed' names no colour"),
        ("background:0,0,0::\nweed:300,0,0::\n", "names no colour"),
    ],
)
def test_mistakes_in_label_maps(tmp_path: Path, label_map: str, match: str) -> None:
    make_voc(tmp_path)
    (tmp_path / "labelmap.txt").write_text(label_map)
    with pytest.raises(DataError, match=match):
        opened("voc", tmp_path)


# Cityscapes


def test_cityscapes_of_trained_ids(tmp_path: Path) -> None:
    for split in ("train", "val"):
        stem = f"{split}/bonn/bonn_000000_000019"
        save(tmp_path / f"leftImg8bit/{stem}_leftImg8bit.png", np.zeros((1, 3, 3), np.uint8))
        save(tmp_path / f"gtFine/{stem}_gtFine_labelTrainIds.png", np.array([[0, 18, 255]], np.uint8))
    truth = {"bonn_000000_000019": np.array([[0, 18, 255]], np.uint8)}
    assert_masks(opened("cityscapes", tmp_path), "train", truth)


def test_cityscapes(tmp_path: Path) -> None:
    trained = {7: 0, 8: 1, 11: 2, 12: 3, 13: 4, 17: 5, 19: 6, 20: 7, 21: 8, 22: 9, 23: 10, 24: 11, 25: 12, 26: 13}
    trained |= {27: 14, 28: 15, 31: 16, 32: 17, 33: 18}
    ids = np.arange(34, dtype=np.uint8)[None]
    truth = np.array([[trained.get(value, 255) for value in range(34)]], np.uint8)
    for split, city in (("train", "aachen"), ("val", "munster"), ("test", "berlin")):
        stem = f"{city}_000000_000019"
        save(tmp_path / f"leftImg8bit/{split}/{city}/{stem}_leftImg8bit.png", np.zeros((1, 34, 3), np.uint8))
        save(tmp_path / f"gtFine/{split}/{city}/{stem}_gtFine_labelIds.png", ids)
        save(tmp_path / f"gtFine/{split}/{city}/{stem}_gtFine_color.png", np.zeros((1, 34, 3), np.uint8))
    data = opened("cityscapes", tmp_path)
    assert data.splits == ("train", "val")
    assert data.class_names[0] == "road"
    assert data.class_names[18] == "bicycle"
    assert_masks(data, "train", {"aachen_000000_000019": truth})
    assert_masks(data, "val", {"munster_000000_000019": truth})
    (tmp_path / "gtFine/val/munster/munster_000000_000019_gtFine_labelIds.png").unlink()
    with pytest.raises(DataError, match="has no mask"):
        opened("cityscapes", tmp_path)


# CamVid


def camvid_mask() -> np.ndarray:
    return np.array([[*COLORS.values(), (0, 0, 0)]], np.uint8)


SEGNET = {
    "Sky": 0, "Building": 1, "Wall": 1, "Column_Pole": 2, "Road": 3, "LaneMkgsDriv": 3, "Sidewalk": 4, "Tree": 5,
    "SignSymbol": 6, "Fence": 7, "Car": 8, "Truck_Bus": 8, "Pedestrian": 9, "Child": 9, "Bicyclist": 10,
}  # fmt: skip


def test_camvid(tmp_path: Path) -> None:
    for split in ("train", "val", "test"):
        save(tmp_path / f"{split}/0001TP_{split}.png", np.zeros((1, 32, 3), np.uint8))
        save(tmp_path / f"{split}_labels/0001TP_{split}_L.png", camvid_mask())
    data = opened("camvid", tmp_path)
    assert data.splits == ("train", "val", "test")
    assert len(data.class_names) == 11
    mask = data.read("test", 0).mask[0]
    assert mask[-1] == 255
    assert mask[:-1].max() == 10
    assert {name: mask[list(COLORS).index(name)] for name in SEGNET} == SEGNET
    every = opened("camvid", tmp_path, grouped=False)
    assert every.class_names == tuple(COLORS)
    assert every.read("train", 0).mask[0].tolist() == [*range(31), 255]


def test_camvid_as_first_published(tmp_path: Path) -> None:
    for number in range(10):
        save(tmp_path / f"701_StillsRaw_full/0001TP_{number:06d}.png", np.full((1, 32, 3), number, np.uint8))
        save(tmp_path / f"LabeledApproved_full/0001TP_{number:06d}_L.png", camvid_mask())
    with pytest.raises(DataError, match=r"set \[data\] split"):
        opened("camvid", tmp_path)
    data = opened("camvid", tmp_path, split={"val": 0.2})
    assert (data.length("train"), data.length("val")) == (8, 2)
    (tmp_path / "train.txt").write_text("0001TP_000003\n0001TP_000001.png\n")
    (tmp_path / "val.txt").write_text("0001TP_000005\n")
    listed = opened("camvid", tmp_path)
    assert [listed.read("train", index).name for index in range(2)] == ["0001TP_000001", "0001TP_000003"]


def test_camvid_ignores_the_smooth_edges_of_one_mask(tmp_path: Path) -> None:
    pixels = np.array([[(128, 128, 128), (64, 96, 64), (128, 0, 0)]], np.uint8)
    for split, name in (("train", "Seq05VD_f02610"), ("val", "0001TP_000001")):
        save(tmp_path / f"{split}/{name}.png", np.zeros((1, 3, 3), np.uint8))
        save(tmp_path / f"{split}_labels/{name}_L.png", pixels)
    data = opened("camvid", tmp_path)
    assert data.read("train", 0).mask.tolist() == [[0, 255, 1]]
    with pytest.raises(DataError, match="#406040"):
        data.read("val", 0)


# COCO


def box(x: int, y: int, width: int, height: int) -> list[list[int]]:
    return [[x, y, x + width, y, x + width, y + height, x, y + height]]


def coco(images: dict[int, str], annotations: list[dict[str, Any]], categories: dict[int, str]) -> dict[str, Any]:
    return {
        "images": [
            {"id": number, "file_name": name, "height": SIZE[0], "width": SIZE[1]} for number, name in images.items()
        ],
        "annotations": [{"id": number, "iscrowd": 0, **one} for number, one in enumerate(annotations, 1)],
        "categories": [{"id": number, "name": name, "supercategory": "x"} for number, name in categories.items()],
    }


CATEGORIES = {3: "car", 17: "cat"}
SHAPES: list[dict[str, Any]] = [
    {"category_id": 17, "segmentation": box(4, 3, 2, 2), "area": 4},  # a small one that a large one covers
    {"category_id": 3, "segmentation": box(2, 1, 10, 8), "area": 80},
    {"category_id": 17, "segmentation": {"size": list(SIZE), "counts": [20 * 20, 40, 160]}, "area": 40},
    {"category_id": 3, "segmentation": {"size": list(SIZE), "counts": [20 * 21, 180]}, "area": 180, "iscrowd": 1},
    {"category_id": 3, "segmentation": [[1, 1, 5, 5]], "area": 0},  # a line
]


def shapes_truth() -> np.ndarray:
    mask = np.zeros(SIZE, np.uint8)
    mask[:, 21:] = 255
    mask[:, 20:22] = 2  # by columns, as run lengths count
    mask[1:9, 2:12] = 1
    mask[3:5, 4:6] = 2
    return mask


def write_json(path: Path, content: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))


def test_coco_instances(tmp_path: Path) -> None:
    for split, name in (("train", "000000000009"), ("val", "000000000139")):
        save(tmp_path / f"{split}2017/{name}.jpg", photo(1))
        save(tmp_path / f"{split}2017/{name}1.jpg", photo(2))
        shapes = [{"image_id": 9, **shape} for shape in SHAPES]
        images = {9: f"{name}.jpg", 10: f"{name}1.jpg"}
        write_json(tmp_path / f"annotations/instances_{split}2017.json", coco(images, shapes, CATEGORIES))
        write_json(tmp_path / f"annotations/captions_{split}2017.json", {})
    data = opened("coco", tmp_path)
    assert data.class_names == ("background", "car", "cat")
    assert_masks(data, "train", {"000000000009": shapes_truth(), "0000000000091": np.zeros(SIZE, np.uint8)})
    assert data.length("val") == 2
    before = data.fingerprint()
    content = json.loads((tmp_path / "annotations/instances_val2017.json").read_text())
    content["annotations"][0]["category_id"] = 3
    write_json(tmp_path / "annotations/instances_val2017.json", content)
    assert opened("coco", tmp_path).fingerprint() != before


def test_coco_panoptic(tmp_path: Path) -> None:
    for split in ("train", "val"):
        numbers = np.array([[0, 1, 300, 70000, 5]])
        save(tmp_path / f"{split}2017/a.jpg", np.zeros((1, 5, 3), np.uint8))
        png = np.stack([numbers % 256, numbers // 256 % 256, numbers // 65536], -1).astype(np.uint8)
        save(tmp_path / f"annotations/panoptic_{split}2017/a.png", png)
        segments = [
            {"id": 1, "category_id": 1, "iscrowd": 0},
            {"id": 300, "category_id": 200, "iscrowd": 0},
            {"id": 70000, "category_id": 7, "iscrowd": 0},
            {"id": 5, "category_id": 7, "iscrowd": 1},
        ]
        content = coco({1: "a.jpg"}, [], {1: "person", 7: "train", 200: "rug"})
        content["annotations"] = [{"image_id": 1, "file_name": "a.png", "segments_info": segments}]
        write_json(tmp_path / f"annotations/panoptic_{split}2017.json", content)
    data = opened("coco", tmp_path, annotations="panoptic")
    assert data.class_names == ("person", "train", "rug")
    assert_masks(data, "val", {"a": np.array([[255, 0, 2, 1, 255]], np.uint8)})


def test_coco_stuff(tmp_path: Path) -> None:
    for split in ("train", "val"):
        save(tmp_path / f"{split}2017/a.jpg", photo(1))
        save(tmp_path / f"stuffthingmaps/{split}2017/a.png", boxes(1, 3))
    write_json(tmp_path / "classes.json", {"classes": ["person", "bicycle", "car"]})
    assert_masks(opened("coco", tmp_path, annotations="stuff"), "train", {"a": boxes(1, 3)})


def test_small_objects_lie_on_top_without_areas(tmp_path: Path) -> None:
    shapes = [{key: value for key, value in shape.items() if key != "area"} for shape in SHAPES]
    for split in ("train", "val"):
        save(tmp_path / f"{split}2017/a.jpg", photo(1))
        annotations = [{"image_id": 1, **shape} for shape in shapes]
        write_json(tmp_path / f"annotations/instances_{split}2017.json", coco({1: "a.jpg"}, annotations, CATEGORIES))
    assert_masks(opened("coco", tmp_path), "train", {"a": shapes_truth()})


def test_a_category_may_be_the_background(tmp_path: Path) -> None:
    for split in ("train", "val"):
        save(tmp_path / f"{split}2017/a.jpg", photo(1))
        annotations = [
            {"image_id": 1, "category_id": 2, "segmentation": box(2, 1, 10, 8)},
            {"image_id": 1, "category_id": 1, "segmentation": box(3, 3, 2, 2)},
        ]
        content = coco({1: "a.jpg"}, annotations, {1: "background", 2: "cat"})
        write_json(tmp_path / f"annotations/instances_{split}2017.json", content)
    data = opened("coco", tmp_path)
    assert data.class_names == ("background", "cat")
    mask = np.zeros(SIZE, np.uint8)
    mask[1:9, 2:12] = 1
    mask[3:5, 3:5] = 0
    assert_masks(data, "train", {"a": mask})


def test_splits_that_disagree(tmp_path: Path) -> None:
    for split, names in (("train", {1: "cat"}), ("val", {1: "dog"})):
        save(tmp_path / f"{split}/a.jpg", photo(1))
        write_json(tmp_path / f"annotations/instances_{split}.json", coco({1: "a.jpg"}, [], names))
    with pytest.raises(DataError, match="Category 1 is 'cat' in one split and 'dog' in another"):
        opened("coco", tmp_path)
    write_json(tmp_path / "annotations/instances_val2014.json", coco({1: "a.jpg"}, [], {1: "cat"}))
    with pytest.raises(DataError, match="both of split val"):
        opened("coco", tmp_path)


def test_roboflow(tmp_path: Path) -> None:
    for split in ("train", "valid", "test"):
        save(tmp_path / f"{split}/x_jpg.rf.1.jpg", photo(1))
        shapes = [{"image_id": 0, "category_id": 2, "segmentation": box(2, 1, 10, 8), "area": 80}]
        categories = {0: "x", 1: "crop", 2: "weed"}  # the first stands for the data set
        write_json(tmp_path / f"{split}/_annotations.coco.json", coco({0: "x_jpg.rf.1.jpg"}, shapes, categories))
    data = opened("coco", tmp_path)
    assert data.class_names == ("background", "crop", "weed")
    mask = np.zeros(SIZE, np.uint8)
    mask[1:9, 2:12] = 2
    for split in ("train", "val", "test"):
        assert_masks(data, split, {"x_jpg.rf.1": mask})


@pytest.mark.parametrize("file", ["annotations/instances_default.json", "result.json"])
def test_one_file_of_annotations(tmp_path: Path, file: str) -> None:
    images = {number: f"{number:03d}.png" for number in range(5)}
    for name in images.values():
        save(tmp_path / "images" / name, photo(1))
    shapes = [{"image_id": number, "category_id": 1, "segmentation": box(1, 1, 3, 3), "area": 9} for number in images]
    write_json(tmp_path / file, coco(images, shapes, {1: "nucleus"}))
    data = opened("coco", tmp_path, split={"val": 0.4}, classes=1)
    assert (data.length("train"), data.length("val")) == (3, 2)
    assert data.classes == 1


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda content: content.pop("categories"), "Expected COCO's JSON"),
        (lambda content: content["annotations"][0].pop("image_id"), "Expected COCO's JSON"),
        (lambda content: content["annotations"][0].update(segmentation=[]), "boxes alone are not enough"),
        (lambda content: content["annotations"][0].update(category_id=99), "Cannot read .*KeyError"),
        (lambda content: content["annotations"][0].update(image_id=99), "annotations of image 99, which it does not"),
        (lambda content: content["images"].append({"id": 7, "file_name": "b.jpg", "height": 1, "width": 1}), "missing"),
    ],
)
def test_mistakes_in_annotations(tmp_path: Path, change: Callable[[dict[str, Any]], Any], match: str) -> None:
    save(tmp_path / "train/a.jpg", photo(1))
    content = coco({1: "a.jpg"}, [{"image_id": 1, "category_id": 1, "segmentation": box(1, 1, 3, 3)}], {1: "cat"})
    change(content)
    for split in ("train", "val"):
        write_json(tmp_path / f"annotations/instances_{split}.json", content)
        save(tmp_path / f"{split}/a.jpg", photo(1))
    with pytest.raises(DataError, match=match):
        opened("coco", tmp_path)


@pytest.mark.parametrize(
    ("segmentation", "match"),
    [
        ({"size": [20, 30], "counts": [10, 10]}, "its runs cover 20 pixels, not 600"),
        ({"size": [30, 20], "counts": [600]}, r"for an image of \[30, 20\], not of \[20, 30\]"),
        ([["a", 1, 2, 3, 4, 5]], "cannot be drawn"),
    ],
)
def test_segmentations_that_cannot_be_drawn(tmp_path: Path, segmentation: Any, match: str) -> None:
    for split in ("train", "val"):
        save(tmp_path / f"{split}/a.jpg", photo(1))
        shapes = [{"image_id": 1, "category_id": 1, "segmentation": segmentation}]
        write_json(tmp_path / f"annotations/instances_{split}.json", coco({1: "a.jpg"}, shapes, {1: "cat"}))
    with pytest.raises(DataError, match=match):
        opened("coco", tmp_path).read("train", 0)


# What annotation tools export


def test_cvat_segmentation_masks(tmp_path: Path) -> None:
    colors = np.array([[0, 0, 0], [250, 50, 83], [51, 221, 255]], np.uint8)
    (tmp_path / "labelmap.txt").write_text(
        "# label:color_rgb:parts:actions\nbackground:0,0,0::\ncrop:250,50,83::\nweed:51,221,255::\n"
    )
    masks = {f"frame_{number:06d}": boxes(number, 3) for number in range(10)}
    for name, mask in masks.items():
        save(tmp_path / f"JPEGImages/{name}.jpg", photo(1))
        save(tmp_path / f"SegmentationClass/{name}.png", colors[mask])
        save(tmp_path / f"SegmentationObject/{name}.png", colors[mask])
    (tmp_path / "ImageSets/Segmentation").mkdir(parents=True)
    (tmp_path / "ImageSets/Segmentation/default.txt").write_text("\n".join(masks))
    data = opened("voc", tmp_path, split={"val": 0.3})
    assert data.class_names == ("background", "crop", "weed")
    for split in ("train", "val"):
        names = [data.read(split, index).name for index in range(data.length(split))]
        assert_masks(data, split, {name: masks[name] for name in names})


def test_labelme(tmp_path: Path) -> None:
    make_voc(tmp_path, "SegmentationClassPNG")
    (tmp_path / "class_names.txt").write_text("__ignore__\n_background_\n" + "\n".join(f"c{n}" for n in range(1, 21)))
    data = opened("voc", tmp_path, mask_folder="SegmentationClassPNG")
    assert data.class_names[:2] == ("background", "c1")


def test_labelme_without_lists(tmp_path: Path) -> None:
    names = [f"2011_{number:06d}" for number in range(5)]
    for name in names:
        save(tmp_path / f"JPEGImages/{name}.jpg", photo(1))
        save(tmp_path / f"SegmentationClassPNG/{name}.png", boxes(1, 3), voc_colors(256))
    (tmp_path / "class_names.txt").write_text("_background_\ncrop\nweed\n")
    data = opened("voc", tmp_path, mask_folder="SegmentationClassPNG", split={"val": 0.4})
    assert_masks(data, "val", {data.read("val", index).name: boxes(1, 3) for index in range(2)})


def test_roboflow_masks(tmp_path: Path) -> None:
    """`_classes.csv` becomes classes.json as docs/data.md says."""
    for split in ("train", "valid"):
        save(tmp_path / f"{split}/a_jpg.rf.1.jpg", photo(1))
        save(tmp_path / f"{split}/a_jpg.rf.1_mask.png", boxes(1, 3))
        with (tmp_path / f"{split}/_classes.csv").open("w", newline="") as file:
            csv.writer(file).writerows([["Pixel Value", " Class"], [0, "background"], [1, "crop"], [2, "weed"]])
    write_json(tmp_path / "classes.json", {"classes": ["background", "crop", "weed"]})
    data = opened("folder", tmp_path, mask_suffix="_mask")
    assert_masks(data, "train", {"a_jpg.rf.1": boxes(1, 3)})
    assert data.length("val") == 1
