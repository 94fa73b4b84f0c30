"""An encoder's graph as plain data: each layer's stride, inputs, parameters and work. Built once, then cached.

It is read from a symbolic build of the network; no image passes through it.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import keras

from .backbone import application, feature_maps
from .encoders import encoder_entry

# Large, so that a layer's padding is small compared with its size and its stride follows from it. Nothing is computed.
_SIDE = 4096


@dataclass(frozen=True)
class LayerProfile:
    """One layer of an encoder.

    Attributes:
        name: its name in the encoder.
        inputs: names of its input layers; empty if it reads the image.
        stride: input pixels per cell of its output; 0 if the output has no spatial extent.
        margin: rows and columns of its output beyond image side / stride (of a padding layer).
        channels: of its output.
        parameters, trainable: number of its weights, and how many of them training changes.
        macs_per_cell: multiply-accumulates per cell of its output.
        passes: whether its output equals its input, as for ConvNeXt's `identity` layers.
    """

    name: str
    inputs: tuple[str, ...]
    stride: int
    margin: int
    channels: int
    parameters: int
    trainable: int
    macs_per_cell: int
    passes: bool

    @property
    def tappable(self) -> bool:
        """Whether its output is a feature map that a head can read."""
        return self.stride > 0 and self.margin == 0

    def size(self, height: int, width: int) -> tuple[int, int]:
        """Height and width of its output for an image of this size, which is a multiple of its stride."""
        if self.stride == 0:
            return 1, 1
        return height // self.stride + self.margin, width // self.stride + self.margin


@functools.cache
def encoder_profile(encoder: str, output_stride: int, channels: int = 3) -> Mapping[str, LayerProfile]:
    """Layer name -> profile, in topological order, for the whole encoder at an output stride, on so many channels."""
    network = application(encoder_entry(encoder))
    image = keras.Input((_SIDE, _SIDE, channels))
    last = network.layers[-1].name
    (output,) = feature_maps(network, image, [last], output_stride)
    model = keras.Model(image, output)
    return {op.name: _profile(op) for op in model.operations if not isinstance(op, keras.layers.InputLayer)}


def ancestors(profile: Mapping[str, LayerProfile], layers: Iterable[str]) -> list[str]:
    """The named layers and everything they depend on, in topological order."""
    needed: set[str] = set()
    stack = list(layers)
    while stack:
        name = stack.pop()
        if name not in needed:
            needed.add(name)
            stack.extend(profile[name].inputs)
    return [name for name in profile if name in needed]


def natural_strides(encoder: str) -> dict[str, int]:
    """Every tappable layer of an encoder, with its stride in keras.applications' own network, shallowest first."""
    # At output stride 32 no stride is removed.
    return {layer.name: layer.stride for layer in encoder_profile(encoder, 32).values() if layer.tappable}


def _profile(op: Any) -> LayerProfile:
    height = op.output.shape[1] if len(op.output.shape) == 4 else 1
    # A side of 1 is a mean over the map, as in squeeze-and-excitation.
    stride = 0 if height == 1 else 2 ** round(math.log2(_SIDE / height))
    weights = op.weights if isinstance(op, keras.layers.Layer) else []
    trainable = op.trainable_weights if isinstance(op, keras.layers.Layer) else []
    return LayerProfile(
        name=op.name,
        inputs=tuple(_input_names(op)),
        stride=stride,
        margin=height - _SIDE // stride if stride else 0,
        channels=op.output.shape[-1],
        parameters=sum(math.prod(w.shape) for w in weights),
        trainable=sum(math.prod(w.shape) for w in trainable),
        macs_per_cell=_macs_per_cell(op),
        passes=isinstance(op, keras.layers.Activation) and op.activation is keras.activations.linear,
    )


def _input_names(op: Any) -> Iterable[str]:
    for tensor in keras.tree.flatten(op.input):
        source = tensor._keras_history.operation
        if not isinstance(source, keras.layers.InputLayer):
            yield source.name


def _macs_per_cell(op: Any) -> int:
    if isinstance(op, keras.layers.SeparableConv2D):
        return math.prod(op.depthwise_kernel.shape) + math.prod(op.pointwise_kernel.shape)
    if isinstance(op, keras.layers.DepthwiseConv2D):
        return math.prod(op.kernel.shape)
    if isinstance(op, (keras.layers.Conv2D, keras.layers.Dense)):
        return math.prod(op.kernel.shape)  # kernel**2 * inputs / groups * outputs
    return 0
