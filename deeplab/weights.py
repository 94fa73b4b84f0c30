"""Encoder weights: ImageNet weights from keras.applications, or weights from a file."""

from __future__ import annotations

import io
import os
import tempfile
import zipfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np
from filelock import FileLock

from .archive import check_archive, check_arrays
from .backbone import application, automatic_name, leaves
from .encoders import Encoder, encoder_entry
from .errors import EncoderWeightsError

SUFFIXES = (".weights.h5", ".keras", ".h5")

LayerWeights = dict[str, list[np.ndarray]]


def check_encoder_weights(encoder: str, weights: str | Path | None) -> None:
    """Make sure that weights are available and match, before a search starts.

    ImageNet weights are downloaded here if they are not in Keras's cache yet, so that later calls only read them.

    Args:
        encoder: a name in `ENCODERS`.
        weights: "imagenet", `None`, or the path of a `.h5`, `.weights.h5` or `.keras` file.

    Raises:
        EncoderWeightsError: the file is missing, unreadable or for another encoder, or the download failed.
        ValueError: the encoder is unknown.
    """
    entry = encoder_entry(encoder)
    if weights is not None:
        load_encoder(entry, weights)


def load_encoder(entry: Encoder, weights: str | Path | None) -> keras.Model:
    """keras.applications' network, without top, with the requested weights.

    Files are read layer by layer, by name, so a file that includes the classifier works as well. A `.h5` file may also
    contain the same layers under other names, because Keras's own files are older than some of its layer names.

    Raises:
        EncoderWeightsError: as `check_encoder_weights`.
    """
    if weights is None:
        return application(entry)
    if weights == "imagenet":
        return _imagenet(entry)
    path = Path(weights)
    if not path.is_file():
        raise EncoderWeightsError(
            f"encoder weights {str(path)!r}: no such file; give a file, 'imagenet', or none for random weights"
        )
    network = application(entry)
    found = _read(path)
    try:
        _assign(network, found, entry.name, path)
    except EncoderWeightsError:
        if not _assign_in_order(network, path):
            raise
    return network


def copy_weights(
    source: keras.Model, target: keras.Model, adapt: Callable[[np.ndarray], np.ndarray] | None = None
) -> None:
    """Copy the weights of all layers whose names occur in both models.

    Args:
        source: reads three channels.
        target: may read another number of them.
        adapt: makes a kernel `[H, W, 3, F]` one for the channels of `target`; None leaves such kernels as they are.
    """
    known = {layer.name: layer for layer in leaves(source)}
    for layer in target.layers:
        if not layer.weights or layer.name not in known:
            continue
        weights = known[layer.name].get_weights()
        own = layer.get_weights()
        for place, (given, present) in enumerate(zip(weights, own, strict=True)):
            if given.shape != present.shape:
                weights[place] = present if adapt is None else adapt(given)
        layer.set_weights(weights)


def for_channels(kernel: np.ndarray, channels: int, *, reverse: bool) -> np.ndarray:
    """The kernel `[H, W, 3, F]` of a first convolution for another number of channels, `[H, W, channels, F]`.

    As in segmentation_models.pytorch (`patch_first_conv`): the sum over red, green and blue for one channel; otherwise
    the kernels of red, green and blue in turn, times 3 / channels, so that the sum keeps its scale.

    Args:
        kernel: of a pretrained encoder.
        channels: of the images.
        reverse: whether the encoder was trained on BGR.
    """
    of_rgb = kernel[:, :, ::-1] if reverse else kernel
    if channels == 1:
        return of_rgb.sum(axis=2, keepdims=True)
    return of_rgb[:, :, np.arange(channels) % 3] * np.float32(3 / channels)


def _imagenet(entry: Encoder) -> keras.Model:
    try:
        # Keras downloads while it builds.
        with _download_lock(entry.name):
            return application(entry, weights="imagenet")
    except Exception as error:  # Keras raises a bare Exception where a download fails
        raise EncoderWeightsError(
            f"ImageNet weights of {entry.name} could not be obtained: {error}. Download that file by other means and "
            f"give its path as the encoder's weights, or put it into {_cache()}"
        ) from error


def _cache() -> Path:
    """The folder where Keras keeps downloads: in its home or, if that is not writable, in the temporary folder."""
    home = Path(os.environ.get("KERAS_HOME", "~/.keras")).expanduser()
    with suppress(OSError):
        home.mkdir(parents=True, exist_ok=True)
    return (home if os.access(home, os.W_OK) else Path(tempfile.gettempdir(), ".keras")) / "models"


def _download_lock(name: str) -> FileLock:
    """A lock so that of two concurrent processes only one downloads; the other then finds the file."""
    cache = _cache()
    cache.mkdir(parents=True, exist_ok=True)
    return FileLock(cache / f"{name}.lock")


def _read(path: Path) -> LayerWeights:
    """Layer name -> its arrays, trainable ones first, in any of the file formats."""
    try:
        if path.name.endswith(".weights.h5"):
            with h5py.File(path) as file:
                return _keras3_weights(file)
        if path.suffix == ".keras":
            with zipfile.ZipFile(path) as archive:
                check_archive(archive)
                # From memory: HDF5 seeks back and forth, and zip archives decompress only from the start.
                with h5py.File(io.BytesIO(archive.read("model.weights.h5"))) as file:
                    return _keras3_weights(file)
        if path.suffix == ".h5":
            with h5py.File(path) as file:
                return _legacy_weights(file.get("model_weights", file))  # a whole model has its weights in a group
    except (OSError, KeyError, ValueError, zipfile.BadZipFile) as error:
        raise EncoderWeightsError(f"encoder weights {str(path)!r} cannot be read: {error}") from error
    raise EncoderWeightsError(f"encoder weights {str(path)!r}: the name must end in {', '.join(SUFFIXES)}")


def _keras3_weights(file: h5py.Group) -> LayerWeights:
    check_arrays(file)
    layers: LayerWeights = {}

    def collect(path: str, group: Any) -> None:
        if path.endswith("/vars") and "name" in group.attrs:
            # Keras numbers a layer's arrays, so that "10" must come after "9".
            layers[group.attrs["name"]] = [group[key][()] for key in sorted(group, key=int)]

    file.visititems(collect)
    return layers


def _legacy_weights(group: h5py.Group) -> LayerWeights:
    check_arrays(group)
    # HDF5 strings may be read as bytes or as text.
    names = [_text(name) for name in group.attrs["layer_names"]]
    return {name: [group[name][_text(key)][()] for key in group[name].attrs["weight_names"]] for name in names}


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value


def _assign(network: keras.Model, found: LayerWeights, encoder: str, path: Path) -> None:
    wrong = f"encoder weights {str(path)!r} are not those of {encoder}"
    for layer in leaves(network):
        # The order in which Keras saves a layer's arrays, in both of its formats.
        variables = [*layer.trainable_weights, *layer.non_trainable_weights]
        if not variables:
            continue
        name = _name_in_file(layer.name, found)
        if name is None:
            # A few names are enough to recognize the network that the file belongs to.
            held = ", ".join([name for name, arrays in found.items() if arrays][:5]) or "none"
            raise EncoderWeightsError(f"{wrong}: layer {layer.name!r} is missing; the file's first layers: {held}")
        expected = [tuple(variable.shape) for variable in variables]
        given = [array.shape for array in found[name]]
        if expected != given:
            raise EncoderWeightsError(f"{wrong}: layer {layer.name!r} has shapes {given} in the file, {expected} here")
        for variable, array in zip(variables, found[name], strict=True):
            variable.assign(array)


def _assign_in_order(network: keras.Model, path: Path) -> bool:
    """Assign a `.h5` file that contains exactly these layers, under any names; False if it does not match."""
    if path.name.endswith(".weights.h5") or path.suffix != ".h5":
        return False
    try:
        network.load_weights(path)
    except ValueError:
        return False
    return True


def _name_in_file(name: str, found: LayerWeights) -> str | None:
    """A layer's name in the file: its own or, for an automatic name, the one with the same rank among its kind."""
    if not name.startswith("encoder_"):
        return name if name in found else None
    kind, rank = name.removeprefix("encoder_").rsplit("_", 1)
    numbers = {other: automatic_name(other, kind) for other in found}
    # The file's numbers start anywhere, as Keras numbers layers per process; only their order identifies them.
    same_kind = sorted((number, other) for other, number in numbers.items() if number is not None)
    return same_kind[int(rank)][1] if int(rank) < len(same_kind) else None
