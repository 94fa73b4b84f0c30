"""The LiteRT format (TensorFlow Lite's), in float32."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from search.exporters import Details
from search.exporters.conversion import PACKAGES, convert, loading

if TYPE_CHECKING:
    import keras


class LiteRt:
    """One file for phones and small computers, that takes one image at a time."""

    name = "model.tflite"
    packages = PACKAGES
    tolerance: float | None = 1e-3
    any_size = False
    needs_images = False

    def may_replace(self, path: Path) -> bool:
        """Any file of this name; see `Exporter.may_replace`."""
        return path.is_file()

    def write(self, model: keras.Model, path: Path, details: Details) -> None:
        """See `Exporter.write`."""
        convert(model, path, details)

    def loading(self, threads: int | None = None) -> str:
        """See `Exporter.loading`."""
        return loading(self.name, threads)
