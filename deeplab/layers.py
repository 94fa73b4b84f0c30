"""The layers of the network: only stock Keras layers and operations, in blocks of convolution, normalisation and ReLU.

The only exception is the dilated convolutions in `convolution`, which `build_model(..., atrous="fast")` uses.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal

import keras

from .convolution import Atrous, dilated_layers

Normalization = Literal["batch", "group"]
Size = tuple[int | None, int | None]

MAX_GROUPS = 32  # Wu & He 2018, "Group Normalization", section 4
MIN_GROUP = 8  # on the image pooling's 1x1 map, normalising a group of one channel would give only zeros


def groups_of(filters: int) -> int:
    """Number of groups of a group normalisation: a power of two up to 32, with at least 8 channels each if possible."""
    groups = math.gcd(filters, MAX_GROUPS)
    while groups > 1 and filters // groups < MIN_GROUP:
        groups //= 2
    return groups


class KerasHead:
    """The head's operations on Keras tensors of shape `[B, H, W, C]`. See `head.HeadOps`."""

    def __init__(self, normalization: Normalization, atrous: Atrous) -> None:
        self._normalization = normalization
        self._dilated_layers = dilated_layers(atrous)

    def conv_norm_relu(
        self,
        x: keras.KerasTensor,
        filters: int,
        kernel: int,
        rate: int,
        *,
        separable: bool,
        relu_before_norm: bool,
        name: str,
    ) -> keras.KerasTensor:
        """Convolution without bias, normalisation, ReLU. `name` contains a `{}` for the role of each layer."""
        if separable:
            x = self._depthwise(x, kernel, rate, name)
            kernel, rate = 1, 1
        x = self._layer_class(keras.layers.Conv2D, rate)(
            filters,
            kernel,
            dilation_rate=rate,
            padding="same",
            use_bias=False,
            activation="relu" if relu_before_norm else None,
            kernel_initializer="he_normal",  # He et al. 2015: for layers that a ReLU follows
            name=name.format("conv"),
        )(x)
        return self._norm_relu(x, name)

    def _depthwise(self, x: keras.KerasTensor, kernel: int, rate: int, name: str) -> keras.KerasTensor:
        # Not "he_normal": Keras includes all channels in a depthwise kernel's fan-in, but each output sees only
        # kernel**2 values.
        he_normal = keras.initializers.RandomNormal(stddev=math.sqrt(2.0) / kernel)
        x = self._layer_class(keras.layers.DepthwiseConv2D, rate)(
            kernel,
            dilation_rate=rate,
            padding="same",
            use_bias=False,
            depthwise_initializer=he_normal,
            name=name.format("depthwise"),
        )(x)
        return self._norm_relu(x, name.format("depthwise_{}"))

    def _layer_class(self, stock: type, rate: int) -> Any:
        return self._dilated_layers[stock] if rate > 1 else stock

    def _norm_relu(self, x: keras.KerasTensor, name: str) -> keras.KerasTensor:
        if self._normalization == "group":
            norm = keras.layers.GroupNormalization(groups_of(x.shape[-1]), name=name.format("norm"))
        else:
            norm = keras.layers.BatchNormalization(name=name.format("norm"))
        return keras.layers.Activation("relu", name=name.format("relu"))(norm(x))

    def global_mean(self, x: keras.KerasTensor, name: str) -> keras.KerasTensor:
        """`[B, H, W, C]` -> `[B, 1, 1, C]`."""
        return keras.layers.GlobalAveragePooling2D(keepdims=True, name=name)(x)

    def broadcast(self, x: keras.KerasTensor, like: keras.KerasTensor, name: str) -> keras.KerasTensor:
        """`[B, 1, 1, C]` -> `[B, H, W, C]` of the same height and width as `like`."""
        height, width = like.shape[1:3]
        if height is not None and width is not None:
            return keras.layers.UpSampling2D((height, width), interpolation="nearest", name=name)(x)
        # Not zeros + x: Keras's `add` mistakes [1, 1, 1, C] for a bias and, if H == C, for that of channels-first maps.
        return keras.ops.multiply(keras.ops.ones_like(keras.ops.max(like, axis=-1, keepdims=True)), x)

    def concatenate(self, xs: Sequence[keras.KerasTensor], name: str) -> keras.KerasTensor:
        """Concatenation along the channels."""
        return keras.layers.Concatenate(name=name)(list(xs))

    def upsample(self, x: keras.KerasTensor, factor: int, name: str) -> keras.KerasTensor:
        """Bilinear upsampling by an integer factor."""
        if None in x.shape[1:3]:
            return _upsample_any_size(x, factor, name)
        return keras.layers.UpSampling2D(factor, interpolation="bilinear", name=name)(x)

    def dropout(self, x: keras.KerasTensor, rate: float, name: str) -> keras.KerasTensor:
        """Dropout of individual activations."""
        return keras.layers.Dropout(rate, name=name)(x)

    def conv_bias(self, x: keras.KerasTensor, filters: int, name: str) -> keras.KerasTensor:
        """A 1x1 convolution with bias, without normalisation or activation."""
        return keras.layers.Conv2D(filters, 1, name=name)(x)


def preprocess(x: keras.KerasTensor, mode: str) -> keras.KerasTensor:
    """Convert 0-255 `[B, H, W, C]` to what an encoder expects; modes are named as in keras.applications.

    Three channels are RGB. Others repeat what is done to red, green and blue; a single one takes their mean. They are
    never reversed (see `weights.for_channels`).
    """
    channels = x.shape[-1]
    scale: float | list[float]
    offset: float | list[float]
    if mode == "tf":
        scale, offset = 1 / 127.5, -1.0
    elif mode == "tf128":
        scale, offset = 1 / 128, -1.0
    elif mode == "torch":
        # ImageNet's statistics, of the red, green and blue channels.
        mean, deviation = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
        scale = _repeated([1 / (255 * s) for s in deviation], channels)
        offset = _repeated([-m / s for m, s in zip(mean, deviation, strict=True)], channels)
    elif mode == "caffe" and channels == 3:
        x = keras.ops.flip(x, axis=-1)  # RGB -> BGR, the order in which Caffe's networks were trained
        scale, offset = 1.0, [-103.939, -116.779, -123.68]
    elif mode == "caffe":
        scale, offset = 1.0, _repeated([-123.68, -116.779, -103.939], channels)
    else:
        raise ValueError(f"unknown preprocessing {mode!r}; known: caffe, tf, tf128, torch")
    # In half precision the subtraction of the mean would lose bits of the pixel values.
    return keras.layers.Rescaling(scale, offset, dtype="float32", name="preprocessing")(x)


def _repeated(of_rgb: list[float], channels: int) -> list[float]:
    if channels == 1:
        return [sum(of_rgb) / len(of_rgb)]
    return [of_rgb[channel % len(of_rgb)] for channel in range(channels)]


def pad_to_multiple(x: keras.KerasTensor, multiple: int) -> keras.KerasTensor:
    """Pad with zeros at the bottom and right, up to the next multiple of `multiple` in height and width."""
    height, width = x.shape[1:3]
    if height is not None and width is not None:
        missing = (-height % multiple, -width % multiple)
        if missing == (0, 0):
            return x
        return keras.layers.ZeroPadding2D(((0, missing[0]), (0, missing[1])), name="size_pad")(x)
    # Unknown size: pad by the largest amount ever needed, then keep as many rows and columns as there are whole cells.
    most = multiple - 1
    padded = keras.layers.ZeroPadding2D(((0, most), (0, most)), name="size_pad")(x)
    cells = keras.layers.MaxPooling2D(multiple, name="size_cells")(padded)
    return _first(padded, keras.layers.UpSampling2D(multiple, name="size_multiple")(cells))


def crop_to(x: keras.KerasTensor, like: keras.KerasTensor) -> keras.KerasTensor:
    """The top left part of `x`, with the height and width of `like`."""
    (height, width), (full_height, full_width) = like.shape[1:3], x.shape[1:3]
    if None in (height, width, full_height, full_width):
        return _first(x, like)
    if (height, width) == (full_height, full_width):
        return x
    return keras.layers.Cropping2D(((0, full_height - height), (0, full_width - width)), name="size_crop")(x)


def _upsample_any_size(x: keras.KerasTensor, factor: int, name: str) -> keras.KerasTensor:
    """Bilinear interpolation, by an even factor, of a map whose size is unknown when the graph is built.

    Keras can resize bilinearly only to known sizes. Repeating cells and then taking a moving average over `factor`
    cells and another over 2 gives the same result: a cell's weight falls off linearly, in steps at the centres of
    pixels.
    """
    half = factor // 2
    # Bilinear interpolation repeats the cells at the border, where it has no neighbours.
    x = keras.ops.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)), mode="symmetric")
    x = keras.layers.UpSampling2D(factor, interpolation="nearest", name=f"{name}_repeat")(x)
    # Leaves one pixel for each that the averages below consume.
    x = keras.layers.Cropping2D(half, name=f"{name}_crop")(x)
    # A mean along one axis and then the other is the two-dimensional mean, for fewer additions.
    for index, window in enumerate([(factor, 1), (1, factor), (2, 1)]):
        x = keras.layers.AveragePooling2D(window, strides=1, name=f"{name}_mean{index}")(x)
    return keras.layers.AveragePooling2D((1, 2), strides=1, name=name)(x)


def _first(x: keras.KerasTensor, like: keras.KerasTensor) -> keras.KerasTensor:
    # Sizes are unknown while the graph is built, and a custom layer would not load elsewhere, so the indices 0..n-1 are
    # obtained by counting along `like`.
    for axis in (1, 2):
        rest = tuple(a for a in range(4) if a != axis)
        ones = keras.ops.ones_like(keras.ops.max(like, axis=rest), dtype="int32")
        x = keras.ops.take(x, keras.ops.subtract(keras.ops.cumsum(ones), 1), axis=axis)
    return x
