"""The `.keras` format."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import keras


class KerasFile:
    """One file that `keras.saving.load_model` reads."""

    name = "model.keras"

    def may_replace(self, path: Path) -> bool:
        """Any file of this name; see `Exporter.may_replace`."""
        return path.is_file()

    def write(self, model: keras.Model, path: Path) -> None:
        """See `Exporter.write`."""
        model.save(path)
