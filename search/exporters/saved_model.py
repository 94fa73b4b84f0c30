"""The SavedModel format."""

from __future__ import annotations

import contextlib
import io
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import keras


def _export_saved_model(model: keras.Model, path: Path) -> Path:
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    with _without_chatter():
        model.export(partial, format="tf_saved_model", verbose=False)
    if path.exists():
        # A SavedModel is a folder, which no system call replaces; the old export goes once the new one is whole.
        old = path.with_name(f".{path.name}.{os.getpid()}.old")
        path.rename(old)
        partial.rename(path)
        shutil.rmtree(old)
    else:
        partial.rename(path)
    return path


@contextlib.contextmanager
def _without_chatter() -> Iterator[None]:
    """TensorFlow prints where it saved; the command says so itself."""
    with contextlib.redirect_stdout(io.StringIO()):
        yield
