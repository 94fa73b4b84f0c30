"""The formats keep what every format promises."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from tests.contracts.format import FormatContract, StoredFormatContract


class TestSynthetic(FormatContract):
    name = "synthetic"

    def make(self, folder: Path) -> dict[str, Any]:
        return {"train_images": 3, "val_images": 2, "test_images": 2}


class PairsOfFiles(StoredFormatContract):
    """A format of image and mask files; `place` says where they are for a split and a number."""

    wrong = np.full((24, 32), 3, np.uint8)
    """A mask with an unknown value."""

    def place(self, split: str, number: int) -> tuple[str, str]:
        raise NotImplementedError

    def mask(self, ids: np.ndarray) -> np.ndarray:
        """A mask as the format stores it."""
        return ids

    def make(self, folder: Path) -> dict[str, Any]:
        random = np.random.default_rng(0)
        for split in ("train", "val"):
            for number in range(3):
                image, ids = random.integers(0, 256, (24, 32, 3), np.uint8), random.integers(0, 3, (24, 32), np.uint8)
                for path, array in zip(self.place(split, number), (image, self.mask(ids)), strict=True):
                    (folder / path).parent.mkdir(parents=True, exist_ok=True)
                    Image.fromarray(array).save(folder / path)
        return {"path": folder}

    def change(self, folder: Path) -> None:
        image = folder / self.place("train", 0)[0]
        pixels = np.array(Image.open(image))
        pixels[5, 7] ^= 1
        Image.fromarray(pixels).save(image)

    def damage(self, folder: Path) -> Path:
        image = folder / self.place("val", 1)[0]
        image.write_bytes(image.read_bytes()[:500])
        return image

    def mislabel(self, folder: Path) -> Path:
        mask = folder / self.place("train", 2)[1]
        Image.fromarray(self.wrong).save(mask)
        return mask


class TestFolder(PairsOfFiles):
    name = "folder"

    def place(self, split: str, number: int) -> tuple[str, str]:
        return f"{split}/images/{split}{number}.png", f"{split}/masks/{split}{number}.png"

    def make(self, folder: Path) -> dict[str, Any]:
        return {**super().make(folder), "classes": 3}


class TestCsv(PairsOfFiles):
    name = "csv"

    def place(self, split: str, number: int) -> tuple[str, str]:
        return f"photos/{split}{number}.png", f"drawn/{split}{number}.png"

    def make(self, folder: Path) -> dict[str, Any]:
        super().make(folder)
        lines = [",".join((*self.place(split, number), split)) for split in ("train", "val") for number in range(3)]
        (folder / "data.csv").write_text("\n".join(["image,mask,split", *lines]))
        return {"path": folder / "data.csv", "classes": 3}


class TestVoc(PairsOfFiles):
    name = "voc"
    wrong = np.full((24, 32), 21, np.uint8)

    def place(self, split: str, number: int) -> tuple[str, str]:
        return f"JPEGImages/{split}{number}.png", f"SegmentationClass/{split}{number}.png"

    def make(self, folder: Path) -> dict[str, Any]:
        lists = folder / "ImageSets/Segmentation"
        lists.mkdir(parents=True)
        for split in ("train", "val"):
            (lists / f"{split}.txt").write_text("".join(f"{split}{number}\n" for number in range(3)))
        return super().make(folder)


class TestCityscapes(PairsOfFiles):
    name = "cityscapes"
    wrong = np.full((24, 32), 34, np.uint8)

    def place(self, split: str, number: int) -> tuple[str, str]:
        stem = f"bonn_{number:06d}_000019"
        mask = f"gtFine/{split}/bonn/{stem}_gtFine_labelIds.png"
        return f"leftImg8bit/{split}/bonn/{stem}_leftImg8bit.png", mask


class TestCamVid(PairsOfFiles):
    name = "camvid"
    wrong = np.full((24, 32, 3), (1, 2, 3), np.uint8)

    def place(self, split: str, number: int) -> tuple[str, str]:
        return f"{split}/{split}{number}.png", f"{split}_labels/{split}{number}_L.png"

    def mask(self, ids: np.ndarray) -> np.ndarray:
        return np.array([(128, 64, 128), (0, 0, 0), (128, 128, 128)], np.uint8)[ids]


class TestCoco(PairsOfFiles):
    name = "coco"

    def place(self, split: str, number: int) -> tuple[str, str]:
        return f"{split}2017/{split}{number}.png", f"unused/{split}{number}.png"

    def make(self, folder: Path) -> dict[str, Any]:
        (folder / "annotations").mkdir()
        for split in ("train", "val"):
            self.annotate(folder, split)
        return super().make(folder)

    def annotate(self, folder: Path, split: str, category: int = 1) -> Path:
        images = [{"id": number, "file_name": f"{split}{number}.png", "height": 24, "width": 32} for number in range(3)]
        box = [[2, 2, 9, 2, 9, 9, 2, 9]]
        shapes = [{"id": 1, "image_id": 0, "category_id": category, "segmentation": box, "area": 49, "iscrowd": 0}]
        content = {"images": images, "annotations": shapes, "categories": [{"id": 1, "name": "cat"}]}
        file = folder / f"annotations/instances_{split}2017.json"
        file.write_text(json.dumps(content))
        return file

    def mislabel(self, folder: Path) -> Path:
        return self.annotate(folder, "train", category=7)
