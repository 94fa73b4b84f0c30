"""A trained model, wherever it is kept, as a function from images to probabilities."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from datasets import Framing, ImageReading
from datasets.inference import Probabilities
from search.errors import UserError
from search.results.labels import ModelLabels, labels_of, read_labels
from search.results.trained_network import load_model, trained_trial
from search.study import Study


@dataclass(frozen=True)
class Predictor:
    """A model of one image size.

    Attributes:
        probabilities: of a batch of images at that size.
        framing: how images of any size are brought to it.
        reading: how image files become what it takes.
        outputs: number of probabilities of each pixel; 1 for binary data.
        class_names: in id order; None for a bare model file, which says nothing about them nor about the framing.
    """

    probabilities: Probabilities
    framing: Framing
    reading: ImageReading
    outputs: int
    class_names: tuple[str, ...] | None


def load_predictor(model: Path) -> Predictor:
    """Load a model: a study folder (its best trial), an exported `.keras` file, or a SavedModel folder.

    Raises:
        UserError: it is none of these, is damaged, or does not fit the `labels.toml` beside it.
    """
    if Study(model).exists:
        study = Study(model)
        trial = trained_trial(study, None)
        network = load_model(study, trial)
        return _described(_keras(network), network.input_shape, network.output_shape, model, labels_of(trial))
    if (model / "saved_model.pb").is_file():
        return _described(*_saved_model(model), model, read_labels(model.parent))
    if model.is_file() and model.suffix == ".keras":
        network = _read_keras(model)
        return _described(_keras(network), network.input_shape, network.output_shape, model, read_labels(model.parent))
    raise UserError(f"{model} is not a model: expected a .keras file, a SavedModel folder or a study folder.")


def _described(
    probabilities: Probabilities,
    takes: tuple[int | None, ...],
    gives: tuple[int | None, ...],
    model: Path,
    labels: ModelLabels | None,
) -> Predictor:
    """A predictor of a model that takes and gives these shapes; without labels, images are stretched."""
    if len(takes) != 4 or None in takes[1:] or len(gives) != 4 or gives[3] is None:
        raise UserError(
            f"{model} takes {takes} and gives {gives}; expected a model of images of one size, [batch, height, width, "
            "channels], to probabilities, [batch, height, width, outputs]."
        )
    (height, width, channels), outputs = (int(side or 0) for side in takes[1:]), gives[3]
    if labels is None:
        return Predictor(probabilities, Framing((height, width)), ImageReading(channels), outputs, None)
    if (labels.image_size, labels.channels, labels.outputs) != ((height, width), channels, outputs):
        raise UserError(
            f"{model} takes {takes} and gives {gives}, but the labels.toml beside it describes a model of image_size "
            f"{list(labels.image_size)}, {labels.channels} channels and {labels.outputs} outputs. Move one of them "
            "away."
        )
    return Predictor(probabilities, labels.framing, labels.reading, outputs, labels.classes)


def _read_keras(model: Path) -> Any:
    import keras

    from deeplab.archive import check_archive

    try:
        with zipfile.ZipFile(model) as archive:
            check_archive(archive)
        return keras.saving.load_model(model, compile=False)
    # Keras raises errors of many kinds for a damaged or foreign file; the user needs the one fact.
    except Exception as error:  # noqa: BLE001
        raise UserError(f"{model} cannot be loaded as a Keras model: {error}") from None


def _keras(network: Any) -> Probabilities:
    import tensorflow as tf

    # As a graph, and one for batches of every size: layer by layer, small tiles take twice the time.
    takes = [tf.TensorSpec((None, *network.input_shape[1:]), tf.float32)]
    graph = tf.function(lambda images: network(images, training=False), input_signature=takes)
    return lambda images: np.asarray(graph(tf.cast(images, tf.float32)))


def _saved_model(folder: Path) -> tuple[Probabilities, tuple[int | None, ...], tuple[int | None, ...]]:
    import tensorflow as tf

    serve = tf.saved_model.load(str(folder)).signatures["serving_default"]
    # Exports name their input and output in different ways, but all have just one of each.
    (name, spec), *_ = serve.structured_input_signature[1].items()
    (output,) = serve.structured_outputs.values()

    def predict(images: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
        (found,) = serve(**{name: tf.cast(images, spec.dtype)}).values()
        return np.asarray(found)

    return predict, tuple(spec.shape), tuple(output.shape)
