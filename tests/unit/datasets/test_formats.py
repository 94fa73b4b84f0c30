"""The formats keep what every format promises."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from tests.contracts.format import FormatContract, StoredFormatContract


class TestSynthetic(FormatContract):
    name = "synthetic"

    def make(self, folder: Path) -> dict[str, Any]:
        return {"train_images": 3, "val_images": 2, "test_images": 2}


class TestFolder(StoredFormatContract):
    name = "folder"

    def make(self, folder: Path) -> dict[str, Any]:
        random = np.random.default_rng(0)
        for split in ("train", "val"):
            for kind in ("images", "masks"):
                (folder / split / kind).mkdir(parents=True)
            for index in range(3):
                image, mask = random.integers(0, 256, (24, 32, 3), np.uint8), random.integers(0, 3, (24, 32), np.uint8)
                Image.fromarray(image).save(folder / split / "images" / f"{split}{index}.png")
                Image.fromarray(mask).save(folder / split / "masks" / f"{split}{index}.png")
        return {"path": folder, "classes": 3}

    def change(self, folder: Path) -> None:
        image = folder / "train" / "images" / "train0.png"
        pixels = np.array(Image.open(image))
        pixels[5, 7] ^= 1
        Image.fromarray(pixels).save(image)

    def damage(self, folder: Path) -> Path:
        image = folder / "val" / "images" / "val1.png"
        image.write_bytes(image.read_bytes()[:500])
        return image

    def mislabel(self, folder: Path) -> Path:
        mask = folder / "train" / "masks" / "train2.png"
        Image.fromarray(np.full((24, 32), 3, np.uint8)).save(mask)
        return mask
