"""Dilated convolutions that are fast in TensorFlow on CPUs, with the results, weights and configuration of Keras's own.

On CPUs Keras's dilated convolutions go through `tf.nn.convolution`, which cuts the map into `rate * rate` sub-maps,
each with a margin of padding: on the small maps of an ASPP, nearly everything it computes is padding. The steps here:

1. **Cut the kernel** to the taps that reach the map at all: at a rate equal to the side or larger, they see only
   padding.
2. **Taps**: if they see a quarter of the map or less on average, compute a sum of 1x1 convolutions, each over the
   rectangle that its tap sees.
3. **Sub-maps without a margin**: "same" convolutions of the sub-maps give that of the whole map. Best if the sub-maps
   are large (sides above 10 cells), and for depthwise convolutions (2 or more).
4. Otherwise **oneDNN's own dilated kernel**, which `tf.nn.conv2d` uses; depthwise convolutions, which have none, are
   computed as in Keras.

`benchmarks/conv.py` compares all of these, and this rule, over a grid of map sizes and rates.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any, Literal, NamedTuple

import keras

Atrous = Literal["stock", "fast"]
Convolve = Callable[[Any, Any], Any]

# Measured by `benchmarks/conv.py`: sub-maps are fastest if their sides are above (depthwise: at least) this.
DENSE_SUBMAP, DEPTHWISE_SUBMAP = 10, 2
# A sum over taps is fastest up to this average fraction of the map seen by a tap.
SPARSE = 1 / 4


class Axis(NamedTuple):
    """One axis of a map under a dilated "same" kernel with an odd number of taps."""

    side: int
    taps: int
    rate: int

    @property
    def reach(self) -> int:
        """Number of taps on each side of the centre that see any part of the map."""
        return min(self.taps // 2, (self.side - 1) // self.rate)

    @property
    def offsets(self) -> range:
        """Distances, in cells, from an output to the inputs of those of its taps that reach the map."""
        return range(-self.reach * self.rate, self.reach * self.rate + 1, self.rate)

    @property
    def seen(self) -> int:
        """Number of cells seen by the taps that reach the map, in total."""
        return sum(self.side - abs(offset) for offset in self.offsets)

    def cut(self) -> slice:
        """The slice of the taps that reach the map."""
        return slice(self.taps // 2 - self.reach, self.taps // 2 + self.reach + 1)


def dilated_conv2d(x: Any, kernel: Any, rates: tuple[int, int]) -> Any:
    """`tf.nn.convolution(x, kernel, padding="SAME", dilations=rates)` by the formulation that is fastest on CPUs.

    Args:
        x: float32 `[B, H, W, C]`, H and W known.
        kernel: `[h, w, C, F]`, h and w odd.
        rates: dilation along the height and the width.

    Returns:
        `[B, H, W, F]`.
    """
    rows, columns = _axes(x, kernel, rates)
    kernel = kernel[rows.cut(), columns.cut()]
    if rows.seen * columns.seen <= SPARSE * len(rows.offsets) * len(columns.offsets) * rows.side * columns.side:
        return sum_of_taps(x, kernel, rows, columns)
    if _smallest_submap(rows, columns) > DENSE_SUBMAP:
        return over_submaps(x, kernel, rates, _conv2d)
    return _conv2d(x, kernel, rates)


def dilated_depthwise_conv2d(x: Any, kernel: Any, rates: tuple[int, int]) -> Any:
    """As `dilated_conv2d`, for `tf.nn.depthwise_conv2d` with a kernel `[h, w, C, M]`; returns `[B, H, W, C * M]`."""
    rows, columns = _axes(x, kernel, rates)
    kernel = kernel[rows.cut(), columns.cut()]
    rates = (rows.rate if rows.reach else 1, columns.rate if columns.reach else 1)
    if _smallest_submap(rows, columns) >= DEPTHWISE_SUBMAP:
        return over_submaps(x, kernel, rates, _depthwise_conv2d)
    return _depthwise_conv2d(x, kernel, rates)


def sum_of_taps(x: Any, kernel: Any, rows: Axis, columns: Axis) -> Any:
    """The sum, over the taps of a cut kernel, of 1x1 convolutions of the rectangle that each tap sees."""
    import tensorflow as tf

    parts = []
    for row, down in enumerate(rows.offsets):
        for column, right in enumerate(columns.offsets):
            seen = x[:, _from(down, rows.side), _from(right, columns.side)]
            part = _conv2d(seen, kernel[row : row + 1, column : column + 1], (1, 1))
            parts.append(tf.pad(part, [[0, 0], _margin(down), _margin(right), [0, 0]]))
    return tf.add_n(parts)


def over_submaps(x: Any, kernel: Any, rates: tuple[int, int], convolve: Callable[..., Any]) -> Any:
    """A plain "same" convolution of each sub-map, which consists of the cells that lie `rates` apart."""
    import tensorflow as tf

    missing = [[0, -side % rate] for side, rate in zip(x.shape[1:3], rates, strict=True)]
    submaps = tf.space_to_batch(x, rates, missing)
    return tf.batch_to_space(convolve(submaps, kernel, (1, 1)), rates, missing)


def _conv2d(x: Any, kernel: Any, rates: tuple[int, int]) -> Any:
    import tensorflow as tf

    return tf.nn.conv2d(x, kernel, strides=1, padding="SAME", dilations=rates)


def _depthwise_conv2d(x: Any, kernel: Any, rates: tuple[int, int]) -> Any:
    import tensorflow as tf

    return tf.nn.depthwise_conv2d(x, kernel, strides=[1, 1, 1, 1], padding="SAME", dilations=rates)


def _axes(x: Any, kernel: Any, rates: tuple[int, int]) -> tuple[Axis, Axis]:
    return Axis(x.shape[1], kernel.shape[0], rates[0]), Axis(x.shape[2], kernel.shape[1], rates[1])


def _smallest_submap(*axes: Axis) -> float:
    return min(axis.side / axis.rate for axis in axes)


def _from(offset: int, side: int) -> slice:
    return slice(max(0, offset), side + min(0, offset))


def _margin(offset: int) -> list[int]:
    return [max(0, -offset), max(0, offset)]


def _is_ours(layer: Any, x: Any) -> bool:
    """Whether the formulations above can compute a layer on `x`; if not, Keras's own code does."""
    # oneDNN has no dilated gradients in half precision.
    return (
        layer.compute_dtype == "float32"
        and max(layer.dilation_rate) > 1
        and layer.padding == "same"
        and all(side % 2 for side in layer.kernel_size)
        and None not in x.shape[1:3]
        and getattr(layer, "groups", 1) == 1
    )


@keras.saving.register_keras_serializable(package="deeplab")
class FastDilatedConv2D(keras.layers.Conv2D):
    """`keras.layers.Conv2D` with its dilated convolution computed by `dilated_conv2d`."""

    def convolution_op(self, inputs: Any, kernel: Any) -> Any:
        if not _is_ours(self, inputs):
            return super().convolution_op(inputs, kernel)
        import tensorflow as tf

        return dilated_conv2d(inputs, tf.convert_to_tensor(kernel), self.dilation_rate)


@keras.saving.register_keras_serializable(package="deeplab")
class FastDilatedDepthwiseConv2D(keras.layers.DepthwiseConv2D):
    """`keras.layers.DepthwiseConv2D` with its dilated convolution computed by `dilated_depthwise_conv2d`."""

    def call(self, inputs: Any) -> Any:
        if not _is_ours(self, inputs):
            return super().call(inputs)
        import tensorflow as tf

        outputs = dilated_depthwise_conv2d(inputs, tf.convert_to_tensor(self.kernel), self.dilation_rate)
        if self.use_bias:
            outputs = keras.ops.add(outputs, self.bias)
        return outputs if self.activation is None else self.activation(outputs)


STOCK: Mapping[type, Any] = {layer: layer for layer in (keras.layers.Conv2D, keras.layers.DepthwiseConv2D)}
FAST: Mapping[type, Any] = {
    keras.layers.Conv2D: FastDilatedConv2D,
    keras.layers.DepthwiseConv2D: FastDilatedDepthwiseConv2D,
}


def dilated_layers(atrous: Atrous) -> Mapping[type, Any]:
    """The class to use for a dilated layer of each stock class: stock, unless fast ones are requested and help here."""
    return FAST if atrous == "fast" and is_faster_here() else STOCK


@functools.cache
def is_faster_here() -> bool:
    """Whether this is TensorFlow without a GPU, with oneDNN's dilated kernels and channels last."""
    if keras.backend.backend() != "tensorflow" or keras.config.image_data_format() != "channels_last":
        return False
    import tensorflow as tf

    if tf.config.list_physical_devices("GPU"):
        return False
    with tf.init_scope(), tf.GradientTape() as tape:
        x, kernel = tf.ones((1, 4, 4, 1)), tf.ones((3, 3, 1, 1))
        tape.watch(kernel)
        try:
            tape.gradient(_conv2d(x, kernel, (2, 2)), kernel)
        except (tf.errors.UnimplementedError, tf.errors.InvalidArgumentError):
            return False  # TensorFlow's own kernels have no dilated gradients
    return True
