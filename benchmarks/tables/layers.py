"""Convolutions as matrix products, which many networks of one shape can share, each with rates of its own.

`jax.vmap` over the weights turns an ordinary convolution into one with groups, which is slow; a matrix product becomes
a batch of them. A dilation rate is a weight here, so that networks that differ in rates alone are compiled once.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import keras
import numpy as np

RATE_PREFIX, RATE_SUFFIX = "aspp_rate", "_conv"


class ProductConv2D(keras.layers.Conv2D):
    """`keras.layers.Conv2D` as a product of gathered patches and the kernel."""

    def convolution_op(self, inputs: Any, kernel: Any) -> Any:
        kernel = keras.ops.convert_to_tensor(kernel)
        if self.kernel_size == (1, 1) and self.strides == (1, 1):
            return jnp.einsum("nhwc,cf->nhwf", inputs, kernel[0, 0])
        patches = jnp.stack(_taps(inputs, self), axis=3)
        return jnp.einsum("nhwkc,kcf->nhwf", patches, kernel.reshape(-1, *kernel.shape[2:]))


class AnyRateConv2D(ProductConv2D):
    """A 3x3 convolution whose dilation rate is the weight `rate`; padding "same"."""

    def build(self, input_shape: Any) -> None:
        super().build(input_shape)
        self.rate = self.add_weight(name="rate", shape=(), initializer="ones", dtype="int32", trainable=False)

    def convolution_op(self, inputs: Any, kernel: Any) -> Any:
        # Shifts as products with shifted identities: a slice at a place that is computed would be a gather.
        rate = keras.ops.convert_to_tensor(self.rate)
        rows, columns = (_shifts(side, rate, inputs.dtype) for side in inputs.shape[1:3])
        shifted = jnp.einsum("iab,nbwc->inawc", rows, inputs)
        patches = jnp.einsum("jdw,inawc->nadijc", columns, shifted)
        return jnp.einsum("nadijc,ijcf->nadf", patches, keras.ops.convert_to_tensor(kernel))


class ProductDepthwiseConv2D(keras.layers.DepthwiseConv2D):
    """`keras.layers.DepthwiseConv2D` as a sum of shifted maps; one output a channel, no bias, no activation."""

    def call(self, inputs: Any) -> Any:
        kernel = keras.ops.convert_to_tensor(self.kernel)
        weights = kernel.reshape(-1, kernel.shape[2])
        return sum(tap * weight for tap, weight in zip(_taps(inputs, self), weights, strict=True))


def with_products(model: keras.Model) -> keras.Model:
    """The same network, with other weights, of the layers above."""
    return keras.models.clone_model(model, clone_function=_replace)


def set_rates(model: keras.Model, values: list[np.ndarray], rates: list[int]) -> list[np.ndarray]:
    """The non-trainable weights `values` of a network with its dilation rates, ascending, in their places."""
    places = {id(variable): place for place, variable in enumerate(model.non_trainable_variables)}
    layers = [layer for layer in model.layers if isinstance(layer, AnyRateConv2D)]
    changed = list(values)
    for layer, rate in zip(sorted(layers, key=lambda layer: layer.dilation_rate), rates, strict=True):
        changed[places[id(layer.rate)]] = np.asarray(rate, np.int32)
    return changed


def _replace(layer: keras.layers.Layer) -> keras.layers.Layer:
    kind: Any = type(layer)
    if kind is keras.layers.DepthwiseConv2D:
        kind = ProductDepthwiseConv2D
    elif kind is keras.layers.Conv2D:
        kind = AnyRateConv2D if _has_rate(layer.name) else ProductConv2D
    return kind.from_config(layer.get_config())


def _has_rate(name: str) -> bool:
    return name.startswith(RATE_PREFIX) and name.endswith(RATE_SUFFIX)


def _taps(x: Any, layer: Any) -> list[Any]:
    """What each tap of a layer's kernel sees, `[B, H', W', C]`, row by row."""
    axes = list(zip(x.shape[1:3], layer.kernel_size, layer.strides, strict=True))
    if layer.padding == "same":
        margins = [_margin(*axis) for axis in axes]
        x = jnp.pad(x, ((0, 0), *margins, (0, 0)))
        axes = [(side + sum(margin), *rest) for (side, *rest), margin in zip(axes, margins, strict=True)]
    rows, columns = ([(tap, tap + side - size + 1, stride) for tap in range(size)] for side, size, stride in axes)
    return [_part(x, row, column) for row in rows for column in columns]


def _part(x: Any, row: tuple[int, int, int], column: tuple[int, int, int]) -> Any:
    starts, stops, steps = zip(row, column, strict=True)
    return jax.lax.slice(x, (0, *starts, 0), (x.shape[0], *stops, x.shape[3]), (1, *steps, 1))


def _margin(side: int, size: int, stride: int) -> tuple[int, int]:
    total = max(0, (-(-side // stride) - 1) * stride + size - side)
    return total // 2, total - total // 2


def _shifts(side: int, rate: Any, dtype: Any) -> Any:
    """`[3, side, side]`: matrices that shift by `-rate`, 0 and `rate` cells, with zeros from outside."""
    cells = jnp.arange(side)
    sources = cells[None, :, None] + (jnp.arange(3) - 1)[:, None, None] * rate
    return (sources == cells[None, None, :]).astype(dtype)
