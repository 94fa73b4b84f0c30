"""An encoder's feature maps on a given image tensor, at a given output stride."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import keras

from .atrous import AtrousRewriter
from .encoders import Encoder


def application(entry: Encoder, **arguments: Any) -> keras.Model:
    """The network as keras.applications builds it: any image size, no top and no weights unless asked for."""
    constructor = getattr(keras.applications, entry.name)
    defaults = {"include_top": False, "weights": None, "input_shape": (None, None, 3)}
    with warnings.catch_warnings():
        # MobileNets warn that ImageNet weights of 224x224 are taken for other sizes; they are the ones wanted.
        warnings.filterwarnings("ignore", message=".*input_shape. is undefined or non-square")
        return constructor(**{**defaults, **entry.arguments, **arguments})


def feature_maps(
    network: keras.Model,
    image: keras.KerasTensor,
    layers: Sequence[str],
    output_stride: int,
    conv2d: type[keras.layers.Conv2D],
) -> list[keras.KerasTensor]:
    """Copies `network` onto `image` as far as the named layers need it, late strides turned into dilation.

    Args:
        network: from `application`; it is not changed.
        image: `[B, H, W, 3]`, H and W multiples of `output_stride`, in the encoder's own scale.
        layers: names of the layers whose outputs are wanted.
        output_stride: no returned map has a larger stride.
        conv2d: class of the dilated convolutions.

    Returns:
        One tensor `[B, H/stride, W/stride, C]` for each name.
    """
    part = keras.Model(network.inputs, [network.get_layer(name).output for name in layers])
    rewriter = AtrousRewriter(image, output_stride, conv2d)
    # `keras.models.clone_model` walks the graph the same way, but only from input layers.
    part._run_through_graph([image], operation_fn=lambda layer: layer, call_fn=rewriter)
    return [rewriter.outputs[name] for name in layers]
