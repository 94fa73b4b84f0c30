"""What tests of the command line share."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.conftest import TINY
from tests.integration.program import write_study

SYNTHETIC = ("train_images", "val_images", "test_images")


@pytest.fixture
def study_copy(study: Path, tmp_path: Path) -> Path:
    """A copy of the finished search, to change; `tiny.toml` lies beside `results/`."""
    shutil.copytree(study, tmp_path / "results" / "tiny")
    shutil.copy(study.parents[1] / "tiny.toml", tmp_path)
    return tmp_path / "results" / "tiny"


@pytest.fixture
def folder_data(tmp_path: Path) -> Path:
    """Images and masks in folders: 4 to train and 2 to validate, binary, 40 x 48 pixels, a bright square as object."""
    rng = np.random.default_rng(0)
    data = tmp_path / "data"
    for split, count in (("train", 4), ("val", 2)):
        for kind in ("images", "masks"):
            (data / split / kind).mkdir(parents=True)
        for number in range(count):
            mask = np.zeros((40, 48), np.uint8)
            top, left = rng.integers(4, 20, 2)
            mask[top : top + 16, left : left + 16] = 1
            image = rng.integers(0, 80, (40, 48, 3), np.uint8) + 150 * mask[..., None]
            Image.fromarray(image.astype(np.uint8)).save(data / split / "images" / f"{number}.png")
            Image.fromarray(mask).save(data / split / "masks" / f"{number}.png")
    return data


@pytest.fixture
def folder_study(tmp_path: Path, folder_data: Path) -> Path:
    """A study file on `folder_data`, of two trials of one epoch each."""
    return write_study(
        tmp_path / "own.toml",
        TINY,
        study={"name": "own"},
        data={"format": "folder", "path": str(folder_data), "classes": 1, **dict.fromkeys(SYNTHETIC)},
        hyperband={"max_epochs": 1, "iterations": 2, "baseline": False},
    )
