"""Exporters write a trained network as a model that loads without this project, one module per format."""

from __future__ import annotations

import os
import pkgutil
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from search.errors import UserError

if TYPE_CHECKING:
    import keras

# What `export --format` may name; imported only where it is chosen.
EXPORTERS: dict[str, str] = {
    "keras": "search.exporters.keras_file:KerasFile",
    "savedmodel": "search.exporters.saved_model:SavedModel",
}


class Exporter(Protocol):
    """One model format; constructed without arguments.

    Attributes:
        name: of the file or folder that it writes.
    """

    name: str

    def may_replace(self, path: Path) -> bool:
        """Whether what exists at `path` is an earlier export, which a new one may take the place of."""

    def write(self, model: keras.Model, path: Path) -> None:
        """Write a model (RGB images 0-255 to probabilities) to `path`, where nothing exists yet."""


def load_exporter(name: str) -> Exporter:
    """The exporter of a name.

    Raises:
        UserError: there is no such format, or a package that it needs is not installed.
    """
    if name not in EXPORTERS:
        raise UserError(f"--format: given {name!r}; allowed are {', '.join(EXPORTERS)}.")
    try:
        exporter: Exporter = pkgutil.resolve_name(EXPORTERS[name])()
    except ModuleNotFoundError as error:
        raise UserError(f"--format: {name!r} needs the package {error.name}, which is not installed.") from error
    return exporter


def check_target(exporter: Exporter, folder: Path) -> None:
    """Raises UserError where an export would take the place of something else in `folder`."""
    path = folder / exporter.name
    if path.exists() and not exporter.may_replace(path):
        raise UserError(f"{path} exists and is not an earlier export; move it away or choose another --to.")


def export_model(exporter: Exporter, model: keras.Model, folder: Path) -> Path:
    """Write a model into `folder`, in place of an earlier export, which stays whole until the new one is.

    Returns:
        The file or folder that was written.
    """
    path = folder / exporter.name
    # The name stays at the end: formats are told by it.
    partial = path.with_name(f".{os.getpid()}.{path.name}")
    try:
        exporter.write(model, partial)
        _put_in_place(partial, path)
    finally:
        _remove(partial)
    return path


def _put_in_place(partial: Path, path: Path) -> None:
    if not path.is_dir():
        partial.replace(path)
        return
    # No system call replaces a folder; the old export goes once the new one is whole.
    old = path.with_name(f".{os.getpid()}.old.{path.name}")
    path.rename(old)
    partial.rename(path)
    _remove(old)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
