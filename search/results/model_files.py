"""Exported models of every format, opened as functions from images to what they give."""

from __future__ import annotations

import importlib
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from search.errors import UserError
from search.results.labels import LABELS_FILE, ModelLabels, parse_labels, read_labels
from search.system.quiet import held_back
from search.system.toml import parse_toml

Shape = tuple[int | None, ...]
# Images uint8 [B, H, W, C] to what the model gives, [B, H, W] or [B, H, W, outputs].
Answers = Callable[[npt.NDArray[Any]], npt.NDArray[Any]]


class Opened(NamedTuple):
    """A model.

    Attributes:
        answers: of a batch of images.
        takes, gives: shapes of its input and output; None for sides that are free.
        labels: what its numbers mean: from the file, or from beside it; None if nothing is said.
    """

    answers: Answers
    takes: Shape
    gives: Shape
    labels: ModelLabels | None


def open_model(model: Path) -> Opened:
    """Open an exported model: a SavedModel folder, or a file that is known by its suffix.

    Raises:
        UserError: it is none, is damaged, or needs a package that is not installed.
    """
    if (model / "saved_model.pb").is_file():
        return Opened(*_saved_model(model), read_labels(model.parent))
    if not model.is_file() or model.suffix not in _BY_SUFFIX:
        suffixes = ", ".join(_BY_SUFFIX)
        raise UserError(f"{model} is not a model: expected a {suffixes} file, a SavedModel folder or a study folder.")
    opened = _BY_SUFFIX[model.suffix](model)
    # What is beside the file can be read and corrected by people.
    return opened._replace(labels=read_labels(model.parent) or opened.labels)


def needs_tensorflow(model: Path) -> bool:
    """Whether a model cannot be opened without TensorFlow."""
    return model.suffix not in (".onnx", ".tflite") or model.is_dir()


def graph_of(network: Any) -> Answers:
    """A Keras model as a graph, and one for batches of every size: layer by layer, small tiles take twice the time."""
    import tensorflow as tf

    takes = [tf.TensorSpec((None, *network.input_shape[1:]), tf.float32)]
    graph = tf.function(lambda images: network(images, training=False), input_signature=takes)
    return lambda images: np.asarray(graph(tf.cast(images, tf.float32)))


def _keras_file(model: Path) -> Opened:
    import keras

    from deeplab.archive import check_archive

    try:
        with zipfile.ZipFile(model) as archive:
            check_archive(archive)
        network = keras.saving.load_model(model, compile=False)
    # Keras raises errors of many kinds for a damaged or foreign file; the user needs the one fact.
    except Exception as error:  # noqa: BLE001
        raise UserError(f"{model} cannot be loaded as a Keras model: {error}") from None
    return Opened(graph_of(network), network.input_shape, network.output_shape, None)


def _saved_model(folder: Path) -> tuple[Answers, Shape, Shape]:
    import tensorflow as tf

    serve = tf.saved_model.load(str(folder)).signatures["serving_default"]
    # Exports name their input and output in different ways, but all have just one of each.
    (name, spec), *_ = serve.structured_input_signature[1].items()
    (output,) = serve.structured_outputs.values()

    def answers(images: npt.NDArray[Any]) -> npt.NDArray[Any]:
        (found,) = serve(**{name: tf.cast(images, spec.dtype)}).values()
        return np.asarray(found)

    return answers, tuple(spec.shape), tuple(output.shape)


def _onnx_file(model: Path) -> Opened:
    onnxruntime = _runtime("onnxruntime", "onnxruntime", model)
    try:
        session = onnxruntime.InferenceSession(str(model), providers=["CPUExecutionProvider"])
    except Exception as error:  # noqa: BLE001 - as for Keras
        raise UserError(f"{model} cannot be loaded as an ONNX model: {error}") from None
    (takes,), (gives,) = session.get_inputs(), session.get_outputs()

    def answers(images: npt.NDArray[Any]) -> npt.NDArray[Any]:
        return np.asarray(session.run(None, {takes.name: np.asarray(images, np.float32)})[0])

    texts = session.get_modelmeta().custom_metadata_map
    labels = parse_labels(_from_texts(texts), str(model)) if "classes" in texts else None
    return Opened(answers, _shape(takes.shape), _shape(gives.shape), labels)


def _litert_file(model: Path) -> Opened:
    runtime = _runtime("ai_edge_litert.interpreter", "ai-edge-litert", model)
    from datasets.cores import usable_cores

    try:
        with held_back():
            interpreter = runtime.Interpreter(str(model), num_threads=usable_cores())
            interpreter.allocate_tensors()
    except Exception as error:  # noqa: BLE001 - as for Keras
        raise UserError(f"{model} cannot be loaded as a LiteRT model: {error}") from None
    (takes,), (gives,) = interpreter.get_input_details(), interpreter.get_output_details()

    def answer(image: npt.NDArray[Any]) -> npt.NDArray[Any]:
        interpreter.set_tensor(takes["index"], image[np.newaxis])
        interpreter.invoke()
        return np.asarray(interpreter.get_tensor(gives["index"])[0])

    def answers(images: npt.NDArray[Any]) -> npt.NDArray[Any]:
        return np.stack([answer(image) for image in np.asarray(images, np.float32)])

    # The file takes one image; batches are made here.
    first, second = ((None, *map(int, part["shape"][1:])) for part in (takes, gives))
    return Opened(answers, first, second, _appended_labels(model))


_BY_SUFFIX: dict[str, Callable[[Path], Opened]] = {
    ".keras": _keras_file,
    ".onnx": _onnx_file,
    ".tflite": _litert_file,
}


def _runtime(module: str, package: str, model: Path) -> Any:
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError:
        raise UserError(f"{model} needs {package}, which is not installed: pip install {package}") from None


def _from_texts(texts: dict[str, str]) -> dict[str, Any]:
    """The labels in ONNX's metadata, where all values are texts: JSON, unless they are texts themselves."""
    table: dict[str, Any] = {}
    for key, text in texts.items():
        try:
            table[key] = text if key in ("study", "trial_id", "preprocessing") else json.loads(text)
        except ValueError:
            table[key] = text
    return table


def _appended_labels(model: Path) -> ModelLabels | None:
    """The labels in the archive at the end of a LiteRT file."""
    try:
        with zipfile.ZipFile(model) as archive:
            text = archive.read(LABELS_FILE).decode()
    except (zipfile.BadZipFile, KeyError, UnicodeDecodeError):
        return None
    return parse_labels(parse_toml(text, f"{LABELS_FILE} in {model}"), str(model))


def _shape(sides: list[int | str | None]) -> Shape:
    return tuple(side if isinstance(side, int) else None for side in sides)
