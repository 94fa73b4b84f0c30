"""Output stride: strides of late stages become dilation, while layer names and weights stay the same.

Chen et al. 2017, "Rethinking Atrous Convolution", section 3.1. Where a stride is removed, each remaining position
computes exactly what it computed before; the convolutions after it are dilated by that stride. Paddings are scaled
accordingly, so that position `i` of the strided map is position `i * dilation` of the dense one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import keras

_CONVOLUTIONS = (keras.layers.Conv2D, keras.layers.DepthwiseConv2D, keras.layers.SeparableConv2D)
_POOLINGS = (keras.layers.MaxPooling2D, keras.layers.AveragePooling2D)


@dataclass(frozen=True)
class _Grid:
    """A tensor's sampling grid: its stride in input pixels, and the step between cells of the original network.

    `unpadded` and `padding` are the input and the layer of an explicit padding that produced the tensor, if any.
    """

    stride: int
    dilation: int
    unpadded: keras.KerasTensor | None = None
    padding: keras.layers.ZeroPadding2D | None = None


class AtrousRewriter:
    """Calls copies of a network's layers on new tensors, with no stride beyond `output_stride`.

    Used for walking a functional model's graph: `rewriter(layer, *inputs)` for each layer in topological order.

    Args:
        image: the tensor on which the copy is built.
        output_stride: the largest stride of the copy.
        dilated_layers: the class to use for a dilated layer of each class; see `convolution.dilated_layers`.

    Attributes:
        outputs: layer name -> its new output tensor.
    """

    def __init__(self, image: keras.KerasTensor, output_stride: int, dilated_layers: Mapping[type, Any]) -> None:
        self.outputs: dict[str, keras.KerasTensor] = {}
        self._output_stride = output_stride
        self._dilated_layers = dilated_layers
        self._grids: dict[int, tuple[keras.KerasTensor, _Grid]] = {id(image): (image, _Grid(1, 1))}

    def __call__(self, layer: Any, *args: Any, **kwargs: Any) -> keras.KerasTensor:
        """Call the copy of `layer`, dilated if its input is denser than in the original network."""
        if isinstance(layer, keras.Sequential):
            (output,) = args
            for inner in layer.layers:
                output = self(inner, output)
            return output
        grid = self._grid_of(args)
        if isinstance(layer, keras.layers.ZeroPadding2D):
            output = _copy(layer, padding=_scaled(layer.padding, grid.dilation))(*args, **kwargs)
            grid = _Grid(grid.stride, grid.dilation, unpadded=args[0], padding=layer)
        elif isinstance(layer, keras.layers.Cropping2D):
            output = _copy(layer, cropping=_scaled(layer.cropping, grid.dilation))(*args, **kwargs)
            grid = _Grid(grid.stride, grid.dilation)
        elif _window(layer) is not None:
            output, grid = self._call_window(layer, args[0], grid)
        else:
            output = _copy(layer)(*args, **kwargs)
            grid = _Grid(grid.stride, grid.dilation)
        self._grids[id(output)] = (output, grid)
        self.outputs[layer.name] = output
        return output

    def _grid_of(self, args: Any) -> _Grid:
        tensors = [x for x in keras.tree.flatten(args) if isinstance(x, keras.KerasTensor)]
        return max((self._grids[id(x)][1] for x in tensors), key=lambda grid: grid.stride * grid.dilation)

    def _call_window(self, layer: Any, x: keras.KerasTensor, grid: _Grid) -> tuple[keras.KerasTensor, _Grid]:
        window, stride = _window(layer)  # type: ignore[misc]
        dense = grid.stride * stride > self._output_stride
        if not dense and grid.dilation == 1:
            return _copy(layer)(x), _Grid(grid.stride * stride, 1)
        after = _Grid(grid.stride, grid.dilation * stride) if dense else _Grid(grid.stride * stride, grid.dilation)
        changes: dict[str, Any] = {"strides": 1} if dense else {}
        if window == 1:  # nothing to dilate
            return _copy(layer, **changes)(x), after
        before = _padding_before(layer, grid, window, stride)
        if isinstance(layer, _POOLINGS):
            source = x if grid.unpadded is None else grid.unpadded
            return _pool(layer, source, before * grid.dilation, grid.dilation), after
        if grid.dilation > 1:
            changes["dilation_rate"] = grid.dilation
        # A strided "same" layer may pad unevenly, which a dilated one with stride 1 would not.
        if layer.padding == "same" and 2 * before != window - 1:
            changes["padding"] = "valid"
        if layer.padding == "valid" or "padding" in changes:
            x = self._pad(layer, x, grid, before, window)
        return self._dilated(layer, changes)(x), after

    def _pad(self, layer: Any, x: keras.KerasTensor, grid: _Grid, before: int, window: int) -> keras.KerasTensor:
        first = before * grid.dilation
        last = (window - 1) * grid.dilation - first
        name = grid.padding.name if grid.padding is not None else f"{layer.name}_pad"
        source = x if grid.unpadded is None else grid.unpadded
        return keras.layers.ZeroPadding2D(((first, last), (first, last)), name=name)(source)

    def _dilated(self, layer: Any, changes: dict[str, Any]) -> Any:
        dilated = self._dilated_layers.get(type(layer), type(layer)) if "dilation_rate" in changes else type(layer)
        return dilated.from_config({**layer.get_config(), **changes})


def _pool(layer: Any, x: keras.KerasTensor, before: int, dilation: int) -> keras.KerasTensor:
    """Pool over a window whose cells lie `dilation` apart, by combining shifted maps: Keras has no such layer."""
    name, window = layer.name, layer.pool_size[0]
    if isinstance(layer, keras.layers.MaxPooling2D):
        # The layer's own padding is never the maximum; zeros from a padding layer before it may be.
        outside = float("-inf") if layer.padding == "same" else 0.0
        return keras.layers.Maximum(name=name)(_shifted(x, window, before, dilation, outside, name))
    excludes_padding = layer.padding == "same"  # Keras's mean leaves out the layer's own padding only
    mean = keras.layers.Average(name=f"{name}_sum" if excludes_padding else name)(
        _shifted(x, window, before, dilation, 0.0, name)
    )
    if not excludes_padding:
        return mean
    inside = _shifted(keras.ops.ones_like(x[..., :1]), window, before, dilation, 0.0, f"{name}_inside")
    share = keras.layers.Average(name=f"{name}_share")(inside)
    return keras.layers.Multiply(name=name)([mean, keras.ops.reciprocal(share)])


def _shifted(
    x: keras.KerasTensor, window: int, before: int, dilation: int, outside: float, name: str
) -> list[keras.KerasTensor]:
    """The map shifted for each cell of a window, at the map's own size, with `outside` beyond its borders."""
    reach = (window - 1) * dilation
    sides = (before, reach - before)
    padded = keras.ops.pad(x, ((0, 0), sides, sides, (0, 0)), constant_values=outside)
    steps = range(0, reach + 1, dilation)
    return [
        keras.layers.Cropping2D(((row, reach - row), (column, reach - column)), name=f"{name}_{row}_{column}")(padded)
        for row in steps
        for column in steps
    ]


def _scaled(amounts: Any, dilation: int) -> tuple[tuple[int, ...], ...]:
    return tuple(tuple(amount * dilation for amount in side) for side in amounts)


def _copy(layer: Any, **changes: Any) -> Any:
    return type(layer).from_config({**layer.get_config(), **changes})


def _window(layer: Any) -> tuple[int, int] | None:
    """Side and stride of a layer's sliding window; `None` if it has none."""
    if isinstance(layer, _CONVOLUTIONS):
        return layer.kernel_size[0], layer.strides[0]
    if isinstance(layer, _POOLINGS):
        return layer.pool_size[0], layer.strides[0]
    return None


def _padding_before(layer: Any, grid: _Grid, window: int, stride: int) -> int:
    """Rows of zeros the original layer saw at the top and left of a map whose sides are multiples of its stride."""
    if layer.padding == "same":
        return max(window - stride, 0) // 2
    return grid.padding.padding[0][0] if grid.padding is not None else 0
