"""A network's cost, layer by layer and without building it: parameters, multiply-accumulates, activation memory."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from .encoders import encoder_entry
from .head import wire_head
from .sizes import check_channels, check_image_size, padded_size

if TYPE_CHECKING:
    from .architecture import Architecture

_FLOAT32_BYTES = 4


@dataclass(frozen=True)
class Cost:
    """The cost of one network at one image size.

    Attributes:
        parameters: all weights, as counted by `keras.Model.count_params`.
        trainable_parameters: those that training changes.
        macs: multiply-accumulates of the convolutions and dense layers for one image; half of the float operations that
            TensorFlow's profiler counts for these. The rest (normalisation, interpolation) is 1-4 %.
        peak_activation_bytes: size of all layers' outputs for one image in float32, which a training step holds at the
            end of its forward pass. An upper bound: frameworks keep less where they compute in place.
    """

    parameters: int
    trainable_parameters: int
    macs: int
    peak_activation_bytes: int


class LayerCost(NamedTuple):
    """One layer of a network.

    Attributes:
        name: as in the built model.
        part: what it belongs to: `image`, a stage of the encoder (`stem`, `stage2`, ...), or a block of the head, which
            is named after its convolution (`aspp_rate6_conv` with its normalisation and ReLU).
        kind: description of the block of the head; empty in the encoder.
        shape: (height, width, channels) of its output.
        parameters, trainable, macs: as in `Cost`.
    """

    name: str
    part: str
    kind: str
    shape: tuple[int, int, int]
    parameters: int = 0
    trainable: int = 0
    macs: int = 0


def cost(architecture: Architecture, image_size: tuple[int, int], classes: int, channels: int = 3) -> Cost:
    """Cost of `build_model(architecture, image_size, classes, channels=channels)`.

    The first call for an encoder and output stride builds that encoder (a second or two); later calls take less than a
    millisecond.

    Raises:
        ValueError: the image is smaller than the output stride, `classes` is below 1, or `channels` is not 1 to 16.
    """
    size = _check(architecture, image_size, classes, channels)
    encoder = _encoder_cost(architecture.encoder, architecture.output_stride, _taps(architecture), size, channels)
    head = _total(_head_layers(architecture, size, classes))
    return Cost(
        encoder.parameters + head.parameters,
        encoder.trainable_parameters + head.trainable_parameters,
        encoder.macs + head.macs,
        encoder.peak_activation_bytes + head.peak_activation_bytes,
    )


def layer_costs(
    architecture: Architecture, image_size: tuple[int, int], classes: int, channels: int = 3
) -> list[LayerCost]:
    """The layers of `build_model(...)` with the same arguments in order; their values add up to its `cost`.

    Preprocessing, padding to a multiple of the output stride and cropping are left out, because they have no weights.

    Raises:
        ValueError: as `cost`.
    """
    size = _check(architecture, image_size, classes, channels)
    encoder = _encoder_layers(architecture.encoder, architecture.output_stride, _taps(architecture), size, channels)
    return [*encoder, *_head_layers(architecture, size, classes)]


def _check(architecture: Architecture, image_size: tuple[int, int], classes: int, channels: int) -> tuple[int, int]:
    check_channels(channels)
    check_image_size(image_size, architecture.output_stride)
    if classes < 1:
        raise ValueError(f"classes must be 1 or more; given: {classes}")
    return padded_size(image_size, architecture.output_stride)


def _taps(architecture: Architecture) -> tuple[str, ...]:
    return (architecture.aspp_tap, *architecture.low_level_tap)


@functools.lru_cache(maxsize=1024)
def _encoder_cost(
    encoder: str, output_stride: int, taps: tuple[str, ...], size: tuple[int, int], channels: int
) -> Cost:
    return _total(_encoder_layers(encoder, output_stride, taps, size, channels))


def _encoder_layers(
    encoder: str, output_stride: int, taps: tuple[str, ...], size: tuple[int, int], channels: int
) -> list[LayerCost]:
    from .profile import ancestors, encoder_profile

    profile = encoder_profile(encoder, output_stride, channels)
    stages = {layer: stage for stage, layer in encoder_entry(encoder).stages.items()}
    # The layers after the last stage, such as a final normalisation, form a part of their own.
    parts = [*("stem" if stage == "stage1" else stage for stage in stages.values()), "end"]
    layers = [LayerCost("image", "image", "", (*size, channels))]
    for name in ancestors(profile, taps):
        layer = profile[name]
        shape = (*layer.size(*size), layer.channels)
        macs = layer.macs_per_cell * shape[0] * shape[1]
        layers.append(LayerCost(name, parts[0], "", shape, layer.parameters, layer.trainable, macs))
        if name in stages:
            parts.pop(0)
    return layers


def _head_layers(architecture: Architecture, size: tuple[int, int], classes: int) -> list[LayerCost]:
    from .profile import encoder_profile

    profile = encoder_profile(architecture.encoder, architecture.output_stride)
    taps = [profile[name] for name in _taps(architecture)]
    maps = [_Map(*tap.size(*size), tap.channels) for tap in taps]
    head = _CostHead(architecture.normalization)
    logits = wire_head(head, architecture, maps[0], maps[1:], [tap.stride for tap in taps], classes)
    head.add(logits, "probabilities", "sigmoid" if classes == 1 else "softmax")
    return head.layers


def _total(layers: Iterable[LayerCost]) -> Cost:
    parameters = trainable = macs = cells = 0
    for layer in layers:
        parameters += layer.parameters
        trainable += layer.trainable
        macs += layer.macs
        cells += math.prod(layer.shape)
    return Cost(parameters, trainable, macs, cells * _FLOAT32_BYTES)


class _Map(NamedTuple):
    height: int
    width: int
    channels: int


class _CostHead:
    """`head.HeadOps` on shapes: records the cost of each operation."""

    def __init__(self, normalization: str) -> None:
        # A moving mean and a moving variance per channel, which are weights but are not trained.
        self._statistics = 2 if normalization == "batch" else 0
        self.layers: list[LayerCost] = []

    def add(
        self,
        output: _Map,
        name: str,
        kind: str,
        *,
        part: str = "",
        weights: int = 0,
        fixed: int = 0,
        macs: int = 0,
    ) -> _Map:
        self.layers.append(LayerCost(name, part or name, kind, output, weights + fixed, weights, macs))
        return output

    def conv_norm_relu(
        self,
        x: _Map,
        filters: int,
        kernel: int,
        rate: int,
        *,
        separable: bool,
        relu_before_norm: bool,
        name: str,
    ) -> _Map:
        part = name.format("conv")
        kind = f"{kernel}x{kernel}" + ", separable" * separable + f", rate {rate}" * (rate > 1)
        if separable:
            weights = kernel * kernel * x.channels
            self._conv(x, x.channels, weights, name.format("depthwise"), kind, part)
            self._norm_relu(x, name.format("depthwise_{}"), kind, part)
            kernel = 1
        weights = kernel * kernel * x.channels * filters
        return self._norm_relu(self._conv(x, filters, weights, part, kind, part), name, kind, part)

    def _conv(self, x: _Map, filters: int, weights: int, name: str, kind: str, part: str, bias: int = 0) -> _Map:
        # The head's convolutions keep the size of their input, so the input's cells are the output's.
        macs = weights * x.height * x.width
        return self.add(x._replace(channels=filters), name, kind, part=part, weights=weights + bias, macs=macs)

    def _norm_relu(self, x: _Map, name: str, kind: str, part: str) -> _Map:
        fixed = self._statistics * x.channels
        self.add(x, name.format("norm"), kind, part=part, weights=2 * x.channels, fixed=fixed)
        return self.add(x, name.format("relu"), kind, part=part)

    def global_mean(self, x: _Map, name: str) -> _Map:
        return self.add(_Map(1, 1, x.channels), name, "mean over the image")

    def broadcast(self, x: _Map, like: _Map, name: str) -> _Map:
        return self.add(like._replace(channels=x.channels), name, "to every cell")

    def concatenate(self, xs: Sequence[_Map], name: str) -> _Map:
        return self.add(xs[0]._replace(channels=sum(x.channels for x in xs)), name, f"joins {len(xs)}")

    def upsample(self, x: _Map, factor: int, name: str) -> _Map:
        return self.add(_Map(x.height * factor, x.width * factor, x.channels), name, f"bilinear, x{factor}")

    def dropout(self, x: _Map, rate: float, name: str) -> _Map:
        return self.add(x, name, f"{rate:g} of the values")

    def conv_bias(self, x: _Map, filters: int, name: str) -> _Map:
        return self._conv(x, filters, x.channels * filters, name, "1x1, bias", name, bias=filters)
