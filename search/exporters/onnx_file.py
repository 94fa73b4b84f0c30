"""The ONNX format."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from search.exporters import Details
from search.exporters.onnx_operations import convertible
from search.system.quiet import held_back

if TYPE_CHECKING:
    import keras

# The newest that tf2onnx 1.17 writes; runtimes since the end of 2022 read it.
OPSET = 18
_LOADING = """\
import numpy as np
import onnxruntime

options = onnxruntime.SessionOptions()
options.intra_op_num_threads = {threads}
session = onnxruntime.InferenceSession("model.onnx", options, providers=["CPUExecutionProvider"])


def predict(images):
    return session.run(["output"], {{"image": np.asarray(images, "float32")}})[0]
"""


class OnnxFile:
    """One file, of opset 18, for ONNX Runtime and others: `image` to `output`, in batches of any size."""

    name = "model.onnx"
    packages = ("onnx", "onnxruntime", "tf2onnx")
    tolerance = 1e-4
    any_size = True
    needs_images = False

    def may_replace(self, path: Path) -> bool:
        """Any file of this name; see `Exporter.may_replace`."""
        return path.is_file()

    def write(self, model: keras.Model, path: Path, details: Details) -> None:
        """See `Exporter.write`."""
        import onnx
        import tensorflow as tf

        takes = tf.TensorSpec((None, *model.input_shape[1:]), tf.float32, name="image")
        # Keras's own patch of tf2onnx asks numpy for a name that it will get in the future.
        with held_back(), warnings.catch_warnings(), convertible():
            warnings.simplefilter("ignore")
            model.export(path, format="onnx", verbose=False, input_signature=[takes], opset_version=OPSET)
        written = onnx.load(path)
        _name_parts(written.graph)
        texts = {key: value if isinstance(value, str) else json.dumps(value) for key, value in details.labels.items()}
        onnx.helper.set_model_props(written, texts)
        onnx.checker.check_model(written)
        onnx.save(written, path)

    def loading(self, threads: int | None = None) -> str:
        """See `Exporter.loading`."""
        return _LOADING.format(threads=f"{threads or 0}" if threads else "0  # all cores")


def _name_parts(graph: Any) -> None:
    """Name the output, and the sides that are free: tf2onnx numbers them."""
    (answer,) = graph.output
    for node in graph.node:
        for names in (node.output, node.input):
            for place, name in enumerate(names):
                if name == answer.name:
                    names[place] = "output"
    answer.name = "output"
    for part in (*graph.input, answer):
        for name, side in zip(("batch", "height", "width"), part.type.tensor_type.shape.dim, strict=False):
            if not side.HasField("dim_value"):
                side.dim_param = name
