"""An encoder's feature maps on a given image tensor, at a given output stride."""

from __future__ import annotations

import re
import warnings
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import keras

from .atrous import AtrousRewriter
from .convolution import STOCK
from .encoders import Encoder


def application(entry: Encoder, **arguments: Any) -> keras.Model:
    """The network as built by keras.applications: any image size, without top, and without weights by default."""
    constructor = getattr(keras.applications, entry.name)
    options = {"include_top": False, "weights": None, "input_shape": (None, None, 3), **entry.arguments, **arguments}
    if any(entry.stem_padding):
        image = keras.Input(options["input_shape"])
        options["input_tensor"] = keras.layers.ZeroPadding2D((entry.stem_padding,) * 2, name="stem_pad")(image)
    with warnings.catch_warnings():
        # MobileNets warn that ImageNet weights for 224x224 are used for other sizes, which is intended here.
        warnings.filterwarnings("ignore", message=".*input_shape. is undefined or non-square")
        network = constructor(**options)
    if entry.start is not None:
        network = _from_layer(network, entry.start)
    _give_stable_names(network)
    return network


def leaves(model: keras.Model) -> list[Any]:
    """A model's layers, with nested sequential models replaced by their layers."""
    nested = [leaves(layer) if isinstance(layer, keras.Sequential) else [layer] for layer in model.layers]
    return [layer for layers in nested for layer in layers]


def automatic_name(name: str, kind: str) -> int | None:
    """The number in a layer name that Keras generated (`conv2d_7`: 7, `conv2d`: 0); `None` for any other name."""
    match = re.fullmatch(rf"{kind}(?:_(\d+))?", name)
    return int(match[1] or 0) if match else None


def _from_layer(network: keras.Model, start: str) -> keras.Model:
    part = keras.Model(network.get_layer(start).input, network.output)
    clone = keras.models.clone_model(part)
    clone.set_weights(part.get_weights())
    return clone


def _give_stable_names(network: keras.Model) -> None:
    """Rename automatically named layers: Keras numbers them per process, so the first may be `conv2d_7`."""
    numbered: dict[str, list[tuple[int, Any]]] = defaultdict(list)
    for operation in network.operations:
        kind = _snake_case(type(operation).__name__)
        number = automatic_name(operation.name, kind)
        if number is not None and not isinstance(operation, keras.layers.InputLayer):
            numbered[kind].append((number, operation))
    for kind, found in numbered.items():
        for rank, (_, operation) in enumerate(sorted(found, key=lambda pair: pair[0])):
            operation.name = f"encoder_{kind}_{rank}"


def _snake_case(name: str) -> str:
    """Convert a class name as Keras does for layer names."""
    return re.sub("([a-z])([A-Z])", r"\1_\2", re.sub("(.)([A-Z][a-z]+)", r"\1_\2", name)).lower()


def feature_maps(
    network: keras.Model,
    image: keras.KerasTensor,
    layers: Sequence[str],
    output_stride: int,
    dilated_layers: Mapping[type, Any] = STOCK,
) -> list[keras.KerasTensor]:
    """Copy `network` onto `image`, up to the named layers, with late strides turned into dilation.

    Args:
        network: from `application`; it is not modified.
        image: `[B, H, W, 3]`, H and W multiples of `output_stride`, in the encoder's own scale.
        layers: names of the layers whose outputs are returned.
        output_stride: the largest stride of a returned map.
        dilated_layers: see `AtrousRewriter`.

    Returns:
        One tensor `[B, H/stride, W/stride, C]` per name.
    """
    known = {operation.name: operation for operation in network.operations}
    part = keras.Model(network.inputs, [known[name].output for name in layers])
    rewriter = AtrousRewriter(image, output_stride, dilated_layers)
    # `keras.models.clone_model` walks the graph in the same way, but only from input layers.
    part._run_through_graph([image], operation_fn=lambda layer: layer, call_fn=rewriter)
    return [rewriter.outputs[name] for name in layers]
