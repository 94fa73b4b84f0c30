"""Small datasets, in memory and on disk."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from datasets import Dataset, Framing, Sample

REAL_DATA = Path(__file__).resolve().parents[4] / "shared" / "data"


class MemoryDataset(Dataset):
    """Image `i` of a split has the uniform colour `i` and its mask the value `i % 2`, unless samples are given."""

    def __init__(
        self,
        lengths: dict[str, int] | None = None,
        *,
        samples: dict[str, Sequence[Sample]] | None = None,
        size: tuple[int, int] = (6, 8),
        class_names: tuple[str, ...] = ("land", "water"),
    ) -> None:
        super().__init__(framing=Framing(size), class_names=class_names, classes=len(class_names), ignore_index=255)
        self.samples = samples or {
            split: [
                Sample(np.full((*size, 3), i, np.uint8), np.full(size, i % 2, np.uint8), f"{split}{i}")
                for i in range(length)
            ]
            for split, length in (lengths or {}).items()
        }
        self.reads = 0

    def length(self, split: str) -> int:
        return len(self.samples.get(split, ()))

    def read(self, split: str, index: int) -> Sample:
        self.reads += 1
        return self.samples[split][index]

    def fingerprint(self) -> str:
        return "memory"


@pytest.fixture(scope="session")
def memory_dataset() -> type[MemoryDataset]:
    return MemoryDataset


MakeFolder = Callable[..., Path]


@pytest.fixture
def make_folder(tmp_path: Path) -> MakeFolder:
    """Write a folder of noise images, with masks that contain each of `values`."""

    def make(
        lengths: dict[str, int] | None = None,
        *,
        size: tuple[int, int] = (24, 32),
        names: Sequence[str] | None = ("sky", "land", "tree"),
        values: Sequence[int] = (0, 1, 2, 255),
    ) -> Path:
        root = tmp_path / "data"
        rng = np.random.default_rng(0)
        for split, length in (lengths or {"train": 3, "val": 2}).items():
            (root / split / "images").mkdir(parents=True)
            (root / split / "masks").mkdir()
            for index in range(length):
                image = rng.integers(0, 256, (*size, 3), dtype=np.uint8)
                mask = np.resize(np.array(values, np.uint8), size)
                suffix = "jpg" if index % 2 else "png"
                Image.fromarray(image).save(root / split / "images" / f"{split}{index}.{suffix}")
                Image.fromarray(mask).save(root / split / "masks" / f"{split}{index}.png")
        if names is not None:
            (root / "classes.json").write_text(json.dumps({"classes": list(names)}))
        return root

    return make


@pytest.fixture(scope="session")
def real_data() -> Callable[[str], Path]:
    """The folder of a real data set; skips the test if it is not available."""

    def find(name: str) -> Path:
        path = REAL_DATA / name
        if not path.is_dir():
            pytest.skip(f"the real dataset {name} is not at {path}")
        return path

    return find
