"""One small finished search, and what tests of the command line share."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.integration.program import Result, Table, deeplab_search, write_study

# 7 trials of 14 epochs: three configurations with one promotion, two straight to the end, and the baseline. The network
# ends at the encoder's stride 8, so that a trial starts fast.
TINY: Table = {
    "study": {"name": "tiny", "seed": 3},
    "data": {
        "format": "synthetic",
        "image_size": [64, 64],
        "train_images": 12,
        "val_images": 6,
        "test_images": 1,
    },
    "hyperband": {"max_epochs": 3, "factor": 3},
    "space": {
        "encoder": "MobileNetV2",
        "encoder_weights": "none",
        "output_stride": 8,
        "aspp_tap": "block_5_add",
        "low_level_filters": 8,
        "aspp_filters": [8, 16],
        "aspp_branches": [0, 1],
        "aspp_rate": [1, 2],
        "decoder_depth": [0, 1],
        "decoder_filters": 8,
        "learning_rate": {"min": 1e-3, "max": 1e-2, "sampling": "log"},
    },
    "recipe": {"batch_size": 4},
}
SYNTHETIC = ("train_images", "val_images", "test_images")


@pytest.fixture(scope="session")
def tiny() -> Table:
    """The study file of the finished search."""
    return TINY


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Result]:
    """A search that ran to its end without disturbance, two trials at a time: its study folder, and what `run` said."""
    folder = tmp_path_factory.mktemp("finished")
    result = deeplab_search("run", write_study(folder / "tiny.toml", TINY), "--workers", "2", cwd=folder)
    assert result.status == 0, result.all
    return folder / "results" / "tiny", result


@pytest.fixture(scope="session")
def study(finished: tuple[Path, Result]) -> Path:
    """The folder of the finished search, to read only."""
    return finished[0]


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
