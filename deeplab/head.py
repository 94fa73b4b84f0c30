"""The wiring of the DeepLabV3+ head: atrous spatial pyramid pooling, fusion with low-level features, decoder.

Written only once, over abstract operations: `layers.KerasHead` builds it and `cost` counts it, so they cannot disagree.

Chen et al. 2018, "Encoder-Decoder with Atrous Separable Convolution", section 3.1; image pooling from Chen et al. 2017,
"Rethinking Atrous Convolution", section 3.3.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol, TypeVar

if TYPE_CHECKING:
    from .architecture import Architecture

T = TypeVar("T")


class HeadOps(Protocol[T]):
    """The operations of the head. `T` is a feature map `[B, H, W, C]`, or just its shape."""

    def conv_norm_relu(
        self,
        x: T,
        filters: int,
        kernel: int,
        rate: int,
        *,
        separable: bool,
        relu_before_norm: bool,
        name: str,
    ) -> T: ...

    def global_mean(self, x: T, name: str) -> T: ...

    def broadcast(self, x: T, like: T, name: str) -> T: ...

    def concatenate(self, xs: Sequence[T], name: str) -> T: ...

    def upsample(self, x: T, factor: int, name: str) -> T: ...

    def dropout(self, x: T, rate: float, name: str) -> T: ...

    def conv_bias(self, x: T, filters: int, name: str) -> T: ...


def wire_head(
    ops: HeadOps[T],
    architecture: Architecture,
    features: T,
    low_level: Sequence[T],
    strides: Sequence[int],
    classes: int,
) -> T:
    """Encoder features to logits at full (padded) resolution.

    Args:
        ops: the operations to use.
        architecture: the choices that define the network.
        features: `[B, H/s, W/s, C]` at the ASPP tap.
        low_level: feature maps at the low-level taps, deepest first.
        strides: of `features`, then of each of `low_level`.
        classes: channels of the logits.

    Returns:
        Logits `[B, H, W, classes]`.
    """
    x = aspp(ops, architecture, features)
    stride = strides[0]
    for step, (tap, tap_stride) in enumerate(zip(low_level, strides[1:], strict=True), start=1):
        suffix = "" if step == 1 else str(step)
        if stride != tap_stride:
            x = ops.upsample(x, stride // tap_stride, f"decoder{suffix}_upsample")
        x = _fuse(ops, architecture, x, tap, suffix)
        x = _decode(ops, architecture, x, suffix)
        stride = tap_stride
    if not low_level:
        x = _decode(ops, architecture, x, "")
    # The 1x1 convolution commutes with bilinear interpolation (its weights sum to 1) and is cheaper on the small map.
    x = ops.conv_bias(x, classes, "logits_conv")
    return ops.upsample(x, stride, "logits_upsample")


def aspp(ops: HeadOps[T], architecture: Architecture, x: T) -> T:
    """Parallel branches over a feature map, joined and projected: `[B, h, w, C]` -> `[B, h, w, aspp_filters]`."""

    def branch(x: T, kernel: int, rate: int, name: str) -> T:
        separable = architecture.aspp_separable and kernel > 1
        filters = architecture.aspp_filters
        return ops.conv_norm_relu(
            x, filters, kernel, rate, separable=separable, relu_before_norm=False, name=f"aspp_{name}_{{}}"
        )

    branches = []
    if architecture.aspp_pooling:
        pooled = branch(ops.global_mean(x, "aspp_pool_mean"), 1, 1, "pool")
        branches.append(ops.broadcast(pooled, x, "aspp_pool_broadcast"))
    branches.append(branch(x, 1, 1, "point"))
    branches += [branch(x, 3, rate, f"rate{rate}") for rate in architecture.aspp_rates]
    joined = ops.concatenate(branches, "aspp_concat") if len(branches) > 1 else branches[0]
    projected = branch(joined, 1, 1, "project")
    if architecture.aspp_dropout:
        return ops.dropout(projected, architecture.aspp_dropout, "aspp_dropout")
    return projected


def _fuse(ops: HeadOps[T], architecture: Architecture, x: T, tap: T, suffix: str) -> T:
    projected = ops.conv_norm_relu(
        tap,
        architecture.low_level_filters,
        1,
        1,
        separable=False,
        relu_before_norm=False,
        name=f"low_level{suffix}_{{}}",
    )
    return ops.concatenate([x, projected], f"decoder{suffix}_concat")


def _decode(ops: HeadOps[T], architecture: Architecture, x: T, suffix: str) -> T:
    for index in range(1, architecture.decoder_depth + 1):
        x = ops.conv_norm_relu(
            x,
            architecture.decoder_filters,
            3,
            1,
            separable=architecture.decoder_separable,
            relu_before_norm=architecture.decoder_double_relu,
            name=f"decoder{suffix}_{{}}{index}",
        )
    return x
