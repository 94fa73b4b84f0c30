"""A model's weights file, written again each epoch.

Keras visits every object of a model and creates every array of the file anew, which takes far longer than writing the
values. The file of the epoch before has the same arrays in the same places, so its copy is filled with the new values.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import h5py
import keras
import numpy as np

from deeplab.backbone import leaves

_OPTIMIZER = "optimizer/vars"


@dataclass
class _Layout:
    """Where the variables of a model lie in the file that it was last written to."""

    file: tuple[int, int]
    places: list[tuple[int, np.dtype[Any], Any]]


_layouts: WeakKeyDictionary[keras.Model, _Layout] = WeakKeyDictionary()


def write_weights(model: keras.Model, path: Path, before: Path | None) -> None:
    """Write what `model.save_weights(path)` writes, the optimizer included.

    Args:
        model: compiled.
        path: a new file, `.weights.h5`.
        before: the file of the epoch before, or None.
    """
    layout = _layouts.get(model)
    # The places are certain only in a file that this process has written.
    if layout is None or before is None or layout.file != _identity(before) or not layout.places:
        model.save_weights(path)
        _layouts[model] = _Layout(_identity(path), _find_places(model, path))
        return
    shutil.copyfile(before, path)
    with path.open("r+b") as file:
        for offset, dtype, variable in layout.places:
            file.seek(offset)
            # `numpy` takes half the time of `keras.ops.convert_to_numpy`.
            file.write(np.ascontiguousarray(variable.numpy(), dtype).tobytes())
    layout.file = _identity(path)


def _identity(path: Path) -> tuple[int, int]:
    """What identifies a file even after it is renamed."""
    state = path.stat()
    return state.st_dev, state.st_ino


def _find_places(model: keras.Model, path: Path) -> list[tuple[int, np.dtype[Any], Any]]:
    """(offset, type, variable) of each array in a file; empty if one of them cannot be identified."""
    owned = {layer.name: layer.weights for layer in leaves(model)} | {_OPTIMIZER: model.optimizer.variables}
    places = []
    content = np.memmap(path, np.uint8, "r")
    with h5py.File(path) as file:
        for owner, name, array in _arrays(file):
            variables = owned.get(owner, [])
            variable = variables[int(name)] if name.isdecimal() and int(name) < len(variables) else None
            offset = array.id.get_offset()
            if variable is None or offset is None:
                return []
            stored = content[offset : offset + array.nbytes].view(array.dtype)
            if not np.array_equal(variable.numpy().ravel(), stored):
                return []
            places.append((offset, array.dtype, variable))
    return places


def _arrays(file: h5py.File) -> list[tuple[str, str, h5py.Dataset]]:
    """(layer's name, array's name, array) of each array; the optimizer's own are listed as those of a layer."""
    owners: dict[str, str] = {}
    found: list[tuple[str, str, h5py.Dataset]] = []

    def visit(path: str, item: h5py.Group | h5py.Dataset) -> None:
        # A group is visited before its content. Looking either up by its path takes ten times as long.
        if isinstance(item, h5py.Group):
            owners[path] = _OPTIMIZER if path == _OPTIMIZER else str(item.attrs.get("name", ""))
        else:
            group, _, name = path.rpartition("/")
            found.append((owners.get(group, ""), name, item))

    file.visititems(visit)
    return found
