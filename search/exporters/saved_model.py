"""The SavedModel format."""

from __future__ import annotations

import contextlib
import io
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import keras


class SavedModel:
    """A folder that TensorFlow and its serving system load, with the signature `serving_default`."""

    name = "savedmodel"

    def may_replace(self, path: Path) -> bool:
        """A folder that holds a SavedModel; see `Exporter.may_replace`."""
        return (path / "saved_model.pb").is_file()

    def write(self, model: keras.Model, path: Path) -> None:
        """See `Exporter.write`."""
        # It prints where it saved, and knows only the temporary name.
        with contextlib.redirect_stdout(io.StringIO()):
            model.export(path, format="tf_saved_model", verbose=False)
