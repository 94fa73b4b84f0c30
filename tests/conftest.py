"""What every test may ask for."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

# Before anything imports TensorFlow, here or in a process that a test starts: errors only.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("KERAS_BACKEND", "tensorflow")

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of real data sets and encoder weights, beside the clone; too large to be part of it."""
    folder = ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("no real data: there is no shared/data beside the clone")
    return folder
