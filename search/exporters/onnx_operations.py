"""What tf2onnx 1.17 lacks for the networks here: grouped convolutions and GELU, both of ConvNeXt."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import numpy as np


@contextlib.contextmanager
def convertible() -> Iterator[None]:
    """Functions that Keras marks for XLA, as those of grouped convolutions, are traced as a part of their caller.

    TensorFlow does not inline them otherwise, and tf2onnx knows no calls.
    """
    import tensorflow as tf

    _add_erfc()
    before = tf.config.functions_run_eagerly()
    tf.config.run_functions_eagerly(True)
    try:
        yield
    finally:
        tf.config.run_functions_eagerly(before)


def _add_erfc() -> None:
    from tf2onnx.handler import tf_op

    tf_op("Erfc")(Erfc)


class Erfc:
    """1 - erf(x), which TensorFlow's GELU is made of; ONNX has erf alone."""

    @classmethod
    def version_9(cls, graph: Any, node: Any, **_: Any) -> None:
        """Since opset 9, which brought erf."""
        kind, shapes, types = graph.get_dtype(node.input[0]), node.output_shapes, node.output_dtypes
        from tf2onnx import utils

        one = graph.make_const(utils.make_name("one"), np.ones((), utils.map_onnx_to_numpy_type(kind)))
        graph.remove_node(node.name)
        erf = graph.make_node("Erf", node.input, shapes=shapes, dtypes=types)
        parts = [one.output[0], erf.output[0]]
        graph.make_node("Sub", parts, name=node.name, outputs=node.output, shapes=shapes, dtypes=types)
