"""A model's weights file, written again each epoch.

Keras visits every object of a model and creates every array of the file anew, which takes far longer than writing the
values. The file of the epoch before has the same arrays in the same places, so its copy is filled with the new values.
"""

from __future__ import annotations

import shutil
import warnings
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
    # The copy is another file, with the same arrays in the same places.
    layout.file = _identity(path)


def read_weights(model: keras.Model, path: Path) -> None:
    """Give a model what `write_weights` wrote, the optimizer included if the model has one.

    Keras names arrays by the classes of layers, which differ between machines with and without a GPU (see
    `deeplab.convolution`). Where it does not find its names, arrays are told by the names of the layers.

    Raises:
        ValueError: the file is not that of such a model.
        MemoryError, tf.errors.ResourceExhaustedError: there is too little memory.
    """
    try:
        with warnings.catch_warnings(record=True) as given:
            warnings.simplefilter("always")
            model.load_weights(path)
        # Keras only warns where it leaves the optimizer, or layers, as they are.
        skipped = [str(warning.message) for warning in given if str(warning.message).startswith("Skipping ")]
        if skipped and _optimizer(model) is not None:
            raise ValueError(skipped[0])
    except ValueError:
        # Keras makes an error of its own of one of memory, which shows here.
        if not _read_by_names(model, path):
            raise


def _read_by_names(model: keras.Model, path: Path) -> bool:
    """Whether all variables of a model have an array of their shape, by the names of their layers, which they get."""
    owned = _owned(model)
    missing = {id(variable) for variables in owned.values() for variable in variables}
    with h5py.File(path) as file:
        for owner, name, array in _arrays(file):
            variables = owned.get(owner, [])
            if not name.isdecimal() or int(name) >= len(variables) or variables[int(name)].shape != array.shape:
                continue
            variables[int(name)].assign(array[()])
            missing.discard(id(variables[int(name)]))
    return not missing


def _owned(model: keras.Model) -> dict[str, list[Any]]:
    """The variables of a model by the layer's name, or of its optimizer, in the order of the arrays in a file."""
    optimizer = _optimizer(model)
    owned = {layer.name: layer.weights for layer in leaves(model)}
    return owned if optimizer is None else owned | {_OPTIMIZER: optimizer.variables}


def _optimizer(model: keras.Model) -> keras.optimizers.Optimizer | None:
    return getattr(model, "optimizer", None)  # which only compiled models have


def _identity(path: Path) -> tuple[int, int]:
    """What identifies a file even after it is renamed."""
    state = path.stat()
    return state.st_dev, state.st_ino


def _find_places(model: keras.Model, path: Path) -> list[tuple[int, np.dtype[Any], Any]]:
    """(offset, type, variable) of each array in a file; empty if one of them cannot be identified."""
    owned = _owned(model)
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
            # The proof that the place is the variable's: it holds the values just saved.
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
