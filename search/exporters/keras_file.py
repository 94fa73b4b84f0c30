"""The `.keras` format."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import keras


def _export_keras(model: keras.Model, path: Path) -> Path:
    partial = path.with_name(f".{os.getpid()}.{path.name}")
    model.save(partial)
    partial.replace(path)
    return path
