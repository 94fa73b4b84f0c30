"""The SavedModel format."""

from __future__ import annotations

import contextlib
import io
from pathlib import Path
from typing import TYPE_CHECKING

from search.exporters import Details
from search.exporters.threads import tensorflow_threads

if TYPE_CHECKING:
    import keras

SIGNATURE = "serving_default"
_LOADING = """\
import tensorflow as tf
{threads}
model = tf.saved_model.load("savedmodel")
serve = model.signatures["serving_default"]


def predict(images):
    return serve(image=tf.constant(images, tf.float32))["output_0"].numpy()
"""


class SavedModel:
    """A folder that TensorFlow and its serving system load: the signature `serving_default`, `image` to `output_0`."""

    name = "savedmodel"
    packages = ()
    tolerance = 1e-5
    any_size = True
    needs_images = False

    def may_replace(self, path: Path) -> bool:
        """A folder that holds a SavedModel; see `Exporter.may_replace`."""
        return (path / "saved_model.pb").is_file()

    def write(self, model: keras.Model, path: Path, details: Details) -> None:
        """See `Exporter.write`."""
        # It prints where it saved, and knows only the temporary name.
        with contextlib.redirect_stdout(io.StringIO()):
            model.export(path, format="tf_saved_model", verbose=False)

    def loading(self, threads: int | None = None) -> str:
        """See `Exporter.loading`."""
        return _LOADING.format(threads=tensorflow_threads(threads))
