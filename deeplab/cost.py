"""What a network costs, without building it: parameters, multiply-accumulates, activation memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from .head import wire_head
from .sizes import check_image_size, padded_size

if TYPE_CHECKING:
    from .architecture import Architecture

_FLOAT32_BYTES = 4


@dataclass(frozen=True)
class Cost:
    """What one network costs at one image size.

    Attributes:
        parameters: all weights, as `keras.Model.count_params` has them.
        trainable_parameters: those that training changes.
        macs: multiply-accumulates of the convolutions and dense layers for one image; the rest is below 1 %.
        peak_activation_bytes: outputs of all layers for one image in float32, which a training step holds at the end of
            its forward pass. An upper bound: frameworks keep less where they compute in place.
    """

    parameters: int
    trainable_parameters: int
    macs: int
    peak_activation_bytes: int


def cost(architecture: Architecture, image_size: tuple[int, int], classes: int) -> Cost:
    """Cost of `build_model(architecture, image_size, classes)`.

    The first call for an encoder and output stride builds that encoder (a second or two); later ones take under a
    millisecond.

    Raises:
        ValueError: the image is smaller than the output stride, or `classes` is below 1.
    """
    check_image_size(image_size, architecture.output_stride)
    if classes < 1:
        raise ValueError(f"classes must be 1 or more; given: {classes}")
    height, width = padded_size(image_size, architecture.output_stride)
    head = _CostHead(architecture.normalization)
    taps = _count_encoder(head, architecture, height, width)
    strides = [height // tap.height for tap in taps]
    logits = wire_head(head, architecture, taps[0], taps[1:], strides, classes)
    head.add(logits)  # probabilities
    return Cost(head.parameters, head.trainable, head.macs, head.activations * _FLOAT32_BYTES)


class _Map(NamedTuple):
    height: int
    width: int
    channels: int


def _count_encoder(head: _CostHead, architecture: Architecture, height: int, width: int) -> list[_Map]:
    from .profile import ancestors, encoder_profile

    names = [architecture.aspp_tap, *architecture.low_level_tap]
    profile = encoder_profile(architecture.encoder, architecture.output_stride)
    head.add(_Map(height, width, 3))
    for name in ancestors(profile, names):
        layer = profile[name]
        cells = layer.cells(height, width)
        head.parameters += layer.parameters
        head.trainable += layer.trainable
        head.macs += layer.macs_per_cell * cells
        head.activations += layer.channels * cells
    return [_Map(height // profile[n].stride, width // profile[n].stride, profile[n].channels) for n in names]


class _CostHead:
    """`head.HeadOps` on shapes: adds up what each operation costs."""

    def __init__(self, normalization: str) -> None:
        self._statistics = 2 if normalization == "batch" else 0
        self.parameters = self.trainable = self.macs = self.activations = 0

    def add(self, output: _Map, *, weights: int = 0, fixed: int = 0, macs: int = 0) -> _Map:
        self.parameters += weights + fixed
        self.trainable += weights
        self.macs += macs
        self.activations += output.height * output.width * output.channels
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
        if separable:
            self._conv(x, x.channels, kernel * kernel * x.channels)
            self._norm_relu(x)
            kernel = 1
        return self._norm_relu(self._conv(x, filters, kernel * kernel * x.channels * filters))

    def _conv(self, x: _Map, filters: int, weights: int, bias: int = 0) -> _Map:
        macs = weights * x.height * x.width
        return self.add(x._replace(channels=filters), weights=weights + bias, macs=macs)

    def _norm_relu(self, x: _Map) -> _Map:
        self.add(x, weights=2 * x.channels, fixed=self._statistics * x.channels)
        return self.add(x)

    def global_mean(self, x: _Map, name: str) -> _Map:
        return self.add(_Map(1, 1, x.channels))

    def broadcast(self, x: _Map, like: _Map, name: str) -> _Map:
        return self.add(like._replace(channels=x.channels))

    def concatenate(self, xs: Sequence[_Map], name: str) -> _Map:
        return self.add(xs[0]._replace(channels=sum(x.channels for x in xs)))

    def upsample(self, x: _Map, factor: int, name: str) -> _Map:
        return self.add(_Map(x.height * factor, x.width * factor, x.channels))

    def dropout(self, x: _Map, rate: float, name: str) -> _Map:
        return self.add(x)

    def conv_bias(self, x: _Map, filters: int, name: str) -> _Map:
        return self._conv(x, filters, x.channels * filters, bias=filters)
