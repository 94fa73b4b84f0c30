"""Weights of encoders: ImageNet's from keras.applications, or a file's."""

from __future__ import annotations

from pathlib import Path

import keras

from .backbone import application
from .encoders import Encoder, encoder_entry
from .errors import EncoderWeightsError

SUFFIXES = (".weights.h5", ".keras", ".h5")


def check_encoder_weights(encoder: str, weights: str | Path | None) -> None:
    """Makes sure that weights can be had and fit, before a search starts.

    ImageNet weights are downloaded here if they are not in Keras's cache yet, so that later calls only read them.

    Args:
        encoder: a name in `ENCODERS`.
        weights: "imagenet", `None`, or the path of a `.h5`, `.weights.h5` or `.keras` file.

    Raises:
        EncoderWeightsError: file missing, of another kind or of another encoder; download impossible.
        ValueError: unknown encoder.
    """
    entry = encoder_entry(encoder)
    if weights is not None:
        load_encoder(entry, weights)


def load_encoder(entry: Encoder, weights: str | Path | None) -> keras.Model:
    """keras.applications' network, without top, with the weights asked for.

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
            f"encoder weights file {str(path)!r} does not exist; give a file, 'imagenet', or no weights"
        )
    if not path.name.endswith(SUFFIXES):
        raise EncoderWeightsError(f"encoder weights file {str(path)!r} must end in {', '.join(SUFFIXES)}")
    return _from_file(entry, path)


def copy_weights(source: keras.Model, target: keras.Model) -> None:
    """Copies the weights of each layer that both models have by name."""
    for layer in target.layers:
        if layer.weights and layer.name in _names(source):
            layer.set_weights(source.get_layer(layer.name).get_weights())


def _names(model: keras.Model) -> set[str]:
    return {layer.name for layer in model.layers}


def _imagenet(entry: Encoder) -> keras.Model:
    try:
        return application(entry, weights="imagenet")
    except Exception as error:
        raise EncoderWeightsError(
            f"ImageNet weights of {entry.name} could not be downloaded ({error}). Download the file by other means and "
            f"give its path as the encoder's weights, or put it into {Path.home() / '.keras' / 'models'}"
        ) from error


def _from_file(entry: Encoder, path: Path) -> keras.Model:
    network = application(entry)
    try:
        network.load_weights(path)
    except (ValueError, OSError, KeyError) as error:
        raise EncoderWeightsError(f"{str(path)!r} does not hold weights of {entry.name}: {error}") from error
    return network
