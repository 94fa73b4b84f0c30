"""`build_model`: turn an `Architecture` into a Keras model."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Literal, get_args

import keras

from .architecture import Architecture
from .backbone import feature_maps
from .convolution import Atrous, dilated_layers
from .encoders import encoder_entry
from .head import wire_head
from .layers import KerasHead, Size, crop_to, pad_to_multiple, preprocess
from .sizes import check_channels, check_image_size
from .taps import natural_stride
from .weights import copy_weights, for_channels, load_encoder

Output = Literal["logits", "probabilities", "class_ids"]

# Encoder layers have the names that keras.applications gives them, so they are known by not being of the head.
HEAD_PREFIXES = ("preprocessing", "size_", "aspp_", "low_level", "decoder", "logits", "probabilities")


def build_model(
    architecture: Architecture,
    image_size: Size,
    classes: int,
    *,
    encoder_weights: str | Path | None = None,
    output: Output = "probabilities",
    preprocessing: bool = True,
    atrous: Atrous = "stock",
    channels: int = 3,
) -> keras.Model:
    """Build the network (Chen et al. 2018, "Encoder-Decoder with Atrous Separable Convolution").

    Images whose sides are not multiples of the output stride are padded with zeros at the bottom and right, after the
    preprocessing, and the result is cropped. Encoder layers keep their names from keras.applications; layers of the
    head have descriptive names (`aspp_rate6_conv`, `decoder_conv1`).

    Args:
        architecture: the choices that define the network.
        image_size: (height, width), or (None, None) for any size; LiteRT requires a known size.
        classes: 1 for binary segmentation (sigmoid), otherwise the number of classes (softmax).
        encoder_weights: "imagenet", a file (`.h5`, `.weights.h5`, `.keras`), or `None` for random weights.
        output: "logits" or "probabilities": float32 `[B, H, W, classes]`; "class_ids": int32 `[B, H, W]`, the most
            probable class, or for one class, 1 where its probability is above 0.5.
        preprocessing: whether the model takes images 0-255 `[B, H, W, channels]`, RGB for three channels; if not, it
            takes what the encoder expects.
        atrous: "stock": only stock Keras layers, so that the saved model loads without this package. "fast": in
            TensorFlow without a GPU, dilated convolutions use subclasses that are several times faster (see
            `convolution`). Weights are interchangeable between the two.
        channels: of the images, 1 to 16. Pretrained weights of the first convolution are adapted (see
            `weights.for_channels`).

    Raises:
        ValueError: `image_size`, `classes`, `output`, `atrous` or `channels` is invalid.
        EncoderWeightsError: the weights are unavailable or do not match this encoder.
    """
    check_image_size(image_size, architecture.output_stride)
    if isinstance(classes, bool) or not isinstance(classes, int) or classes < 1:
        raise ValueError(f"classes must be a whole number, 1 or more; given: {classes!r}")
    check_channels(channels)
    _check_choice("output", output, get_args(Output))
    _check_choice("atrous", atrous, get_args(Atrous))

    entry = encoder_entry(architecture.encoder)
    network = load_encoder(entry, encoder_weights)
    image = keras.Input((*image_size, channels), name="image")
    x = preprocess(image, entry.preprocessing) if preprocessing else image
    x = pad_to_multiple(x, architecture.output_stride)
    taps = (architecture.aspp_tap, *architecture.low_level_tap)
    features, *low_level = feature_maps(network, x, taps, architecture.output_stride, dilated_layers(atrous))
    # A tap deeper than the output stride has just that stride, because the further strides became dilation.
    strides = [min(natural_stride(entry.name, tap), architecture.output_stride) for tap in taps]
    head = KerasHead(architecture.normalization, atrous)
    x = wire_head(head, architecture, features, low_level, strides, classes)
    model = keras.Model(image, _finish(crop_to(x, image), output), name="deeplab")
    # The model has copies of the encoder's layers, with new weights. Random ones suit their channels already.
    adapt = partial(for_channels, channels=channels, reverse=entry.preprocessing == "caffe")
    copy_weights(network, model, adapt if encoder_weights is not None else None)
    return model


def encoder_layers(model: keras.Model) -> list[keras.layers.Layer]:
    """The encoder layers with weights of a built (or loaded) model, for example to freeze them."""
    return [layer for layer in model.layers if layer.weights and not layer.name.startswith(HEAD_PREFIXES)]


def _finish(x: keras.KerasTensor, output: Output) -> keras.KerasTensor:
    # In float32 even under a mixed-precision policy, because losses and thresholds need the range.
    if output == "logits":
        return keras.layers.Activation("linear", dtype="float32", name="logits")(x)
    binary = x.shape[-1] == 1
    if output == "probabilities":
        return keras.layers.Activation("sigmoid" if binary else "softmax", dtype="float32", name="probabilities")(x)
    if binary:
        return keras.ops.cast(keras.ops.greater(keras.ops.squeeze(x, axis=-1), 0.0), "int32")  # 0 is probability 0.5
    # Not `argmax`: on TensorFlow, Keras's reads sign bits with an operation that LiteRT does not support.
    return keras.ops.squeeze(keras.ops.top_k(x, 1)[1], axis=-1)


def _check_choice(name: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise ValueError(f"{name} must be one of {', '.join(allowed)}; given: {value!r}")
