"""What every test may ask for; one small finished search among it."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest
from filelock import FileLock

from tests.integration.program import Result, Table, deeplab_search, write_study

# Before anything imports TensorFlow, here or in a process that a test starts: errors only.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("KERAS_BACKEND", "tensorflow")

# 7 trials of 14 epochs: three configurations with one promotion, two straight to the end, and the baseline. The network
# ends at the encoder's first layer of stride 8: few layers to trace, so that a trial starts fast.
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
        "aspp_tap": "block_3_project_BN",
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
ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of real data sets and encoder weights, beside the clone; too large to be part of it."""
    folder = ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("no real data: there is no shared/data beside the clone")
    return folder


@pytest.fixture(scope="session")
def tiny() -> Table:
    """The study file of the finished search."""
    return TINY


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Result]:
    """A search that ran to its end without disturbance, two trials at a time: its study folder, and what `run` said.

    It runs once: each process of pytest has a copy of the folder.
    """
    own = tmp_path_factory.mktemp("finished")
    shared = own if "PYTEST_XDIST_WORKER" not in os.environ else tmp_path_factory.getbasetemp().parent / "finished"
    said = shared / "said.json"
    with FileLock(f"{shared}.lock"):
        if not said.exists():
            shared.mkdir(exist_ok=True)
            result = deeplab_search("run", write_study(shared / "tiny.toml", TINY), "--workers", "2", cwd=shared)
            said.write_text(json.dumps(result))
    result = Result(*json.loads(said.read_text()))
    assert result.status == 0, result.all
    if shared != own:
        shutil.copytree(shared, own, dirs_exist_ok=True)
    return own / "results" / "tiny", result


@pytest.fixture(scope="session")
def study(finished: tuple[Path, Result]) -> Path:
    """The folder of the finished search, to read only."""
    return finished[0]
