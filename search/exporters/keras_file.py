"""The `.keras` format."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from search.exporters import Details
from search.exporters.threads import tensorflow_threads

if TYPE_CHECKING:
    import keras

_LOADING = """\
import keras
{threads}
model = keras.saving.load_model("model.keras")


def predict(images):
    return model.predict_on_batch(images)
"""


class KerasFile:
    """One file that `keras.saving.load_model` reads."""

    name = "model.keras"
    packages = ()
    tolerance = 1e-5
    any_size = True
    needs_images = False

    def may_replace(self, path: Path) -> bool:
        """Any file of this name; see `Exporter.may_replace`."""
        return path.is_file()

    def write(self, model: keras.Model, path: Path, details: Details) -> None:
        """See `Exporter.write`."""
        model.save(path)

    def loading(self, threads: int | None = None) -> str:
        """See `Exporter.loading`."""
        return _LOADING.format(threads=tensorflow_threads(threads))
