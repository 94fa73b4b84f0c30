"""What the LiteRT formats share: the conversion, what stands in the file besides the network, and how it is loaded."""

from __future__ import annotations

import warnings
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from search.exporters import Details
from search.system.quiet import held_back

if TYPE_CHECKING:
    import keras

PACKAGES = ("ai_edge_litert",)
_LOADING = """\
import os

import numpy as np
from ai_edge_litert.interpreter import Interpreter

interpreter = Interpreter("{name}", num_threads={threads})
run = interpreter.get_signature_runner("serving_default")


def predict(images):
    # The file takes one image at a time.
    answers = [run(image=image[np.newaxis])["output_0"] for image in np.asarray(images, "float32")]
    return np.concatenate(answers)
"""


def convert(model: keras.Model, path: Path, details: Details, **options: Any) -> None:
    """Write a model as a LiteRT file for one image of one size; `options` are of TensorFlow's converter."""
    import tensorflow as tf

    takes = tf.TensorSpec((1, *model.input_shape[1:]), tf.float32, name="image")
    target = {"supported_ops": [tf.lite.OpsSet.TFLITE_BUILTINS], **options.pop("target_spec", {})}
    with held_back(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.export(
            path,
            format="litert",
            verbose=False,
            input_signature=[takes],
            target_spec=target,
            experimental_enable_resource_variables=False,  # weights become constants, which calibration requires
            **options,
        )
    add_files(path, details)


def add_files(path: Path, details: Details) -> None:
    """Append the labels as an archive, as LiteRT's metadata have it: runtimes ignore it, and `unzip` unpacks it."""
    if details.labels_text:
        with zipfile.ZipFile(path, "a") as archive:
            archive.writestr("labels.toml", details.labels_text)


def loading(name: str, threads: int | None) -> str:
    """See `Exporter.loading`."""
    return _LOADING.format(name=name, threads=threads or "os.cpu_count()")
