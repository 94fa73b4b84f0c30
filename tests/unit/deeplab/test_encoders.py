"""The contract for the entries of the encoder table.

By default for one network per family; for all with `make grid`.
"""

from __future__ import annotations

import functools
import importlib
import itertools
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import pytest

from deeplab import ENCODERS
from deeplab.backbone import application, feature_maps, leaves
from deeplab.encoders import encoder_entry
from deeplab.layers import preprocess
from deeplab.profile import ancestors, encoder_profile
from deeplab.weights import copy_weights

SIDE = 64

FAMILIES = (
    "ResNet50",
    "ResNet50V2",
    "MobileNet",
    "MobileNetV2",
    "MobileNetV3Small",
    "EfficientNetB0",
    "EfficientNetV2B0",
    "DenseNet121",
    "ConvNeXtTiny",
    "Xception",
)  # and NASNetMobile, a family of its own, which takes minutes
# What these compute is compared by default: every way to scale an image, and a network without batch statistics.
COMPUTED = ("ResNet50", "MobileNetV2", "EfficientNetB0", "ConvNeXtTiny", "Xception")


def marked_outside(default: Sequence[str]) -> Any:
    """All encoders, with those outside the default run marked."""
    marked = [pytest.param(name, marks=[] if name in default else pytest.mark.grid) for name in ENCODERS]
    return pytest.mark.parametrize("encoder", marked)


# Stride 8 dilates what stride 16 dilates, and the stage before it: by default one network has both.
DEFAULT = {("ResNet50", 16), ("MobileNetV2", 8), ("ConvNeXtTiny", 8)}
DILATED = [
    pytest.param(name, stride, marks=[] if (name, stride) in DEFAULT else pytest.mark.grid)
    for name in ENCODERS
    for stride in (16, 8)
]


@functools.cache
def network(encoder: str) -> keras.Model:
    """The application with random weights, non-trivial normalisations and constant squeeze-and-excitation.

    That gate depends on the mean of a map, which differs over a denser map, so it is not part of the equivalence.
    """
    model = application(encoder_entry(encoder))
    random = np.random.default_rng(0)
    for layer in leaves(model):
        if layer.weights and ("_se_" in layer.name or "squeeze_excite" in layer.name):
            kernel, bias = layer.get_weights()
            layer.set_weights([0 * kernel, random.normal(1, 0.1, bias.shape)])
        if layer.name.endswith("_layer_scale"):  # ConvNeXt's blocks initially contribute almost nothing
            layer.set_weights([random.uniform(0.5, 1.5, weight.shape) for weight in layer.get_weights()])
        if isinstance(layer, keras.layers.BatchNormalization):
            gamma, beta, mean, variance = layer.get_weights()
            layer.set_weights(
                [
                    random.uniform(0.5, 1.5, gamma.shape),
                    random.normal(0, 0.1, beta.shape),
                    random.normal(0, 0.1, mean.shape),
                    random.uniform(0.5, 1.5, variance.shape),
                ]
            )
    return model


def dilated(encoder: str, output_stride: int, layers: list[str]) -> keras.Model:
    source = network(encoder)
    image = keras.Input((side(encoder), side(encoder), 3))
    model = keras.Model(image, feature_maps(source, image, layers, output_stride))
    copy_weights(source, model)
    return model


def side(encoder: str) -> int:
    """Size of the images for trying a network; Xception in keras.applications accepts none below 71."""
    return 96 if encoder == "Xception" else SIDE


def image(encoder: str) -> np.ndarray:
    return np.random.default_rng(1).uniform(-1, 1, (1, side(encoder), side(encoder), 3)).astype("float32")


def assert_close(actual: Any, expected: Any) -> None:
    scale = np.abs(expected).max()
    assert scale > 0
    np.testing.assert_allclose(np.asarray(actual) / scale, np.asarray(expected) / scale, atol=1e-5)


@marked_outside(FAMILIES)
def test_the_table_matches_the_network(encoder: str) -> None:
    entry = encoder_entry(encoder)
    profile = encoder_profile(encoder, 32)
    assert {name: profile[name].stride for name in entry.taps} == dict(entry.taps)
    assert all(profile[name].tappable for name in entry.taps)
    taps = list(entry.taps)
    for shallow, deep in itertools.pairwise(taps):
        assert shallow in ancestors(profile, [deep])
    assert set(entry.low_level) <= set(taps)


@functools.cache
def original_maps(encoder: str) -> list[np.ndarray]:
    """The output of keras.applications' own network at the table's taps."""
    source = network(encoder)
    outputs = {operation.name: operation.output for operation in source.operations}
    model = keras.Model(source.inputs[0], [outputs[name] for name in encoder_entry(encoder).taps])
    return [np.asarray(x) for x in model(image(encoder))]


@pytest.mark.parametrize(("encoder", "output_stride"), DILATED)
def test_each_position_that_the_stride_kept_is_unchanged(encoder: str, output_stride: int) -> None:
    """At every tap of the table, the map of keras.applications' network is the dense one subsampled."""
    strides = encoder_entry(encoder).taps
    dense = dilated(encoder, output_stride, list(strides))(image(encoder))
    for stride, few, many in zip(strides.values(), original_maps(encoder), dense, strict=True):
        step = max(stride // output_stride, 1)
        assert many.shape[1] == side(encoder) // min(stride, output_stride)
        assert_close(many[:, ::step, ::step], few)


def pixels(side: int) -> np.ndarray:
    return np.random.default_rng(2).uniform(0, 255, (1, side, side, 3)).astype("float32")


@marked_outside(COMPUTED)
def test_on_pixels_it_is_the_application_on_its_own_preprocessing(encoder: str) -> None:
    """From RGB 0-255 to the last layer, at output stride 32."""
    entry, ours = encoder_entry(encoder), network(encoder)
    image = keras.Input((side(encoder), side(encoder), 3))
    last = list(entry.taps)[-1]
    (tap,) = feature_maps(ours, preprocess(image, entry.preprocessing), [last], 32)
    model = keras.Model(image, tap)
    copy_weights(ours, model)
    expected = application_on_pixels(encoder, weighted(ours), pixels(side(encoder)))
    assert_close(model(pixels(side(encoder))), expected)


def application_on_pixels(encoder: str, weights: list[keras.layers.Layer], x: np.ndarray) -> Any:
    """The output of `keras.applications.ENCODER` for images, used as its documentation says."""
    constructor = getattr(keras.applications, encoder)
    margin = encoder_entry(encoder).stem_padding
    size = x.shape[1] + sum(margin)
    theirs = constructor(include_top=False, weights=None, input_shape=(size, size, 3))
    for layer in theirs.layers:
        if isinstance(layer, keras.layers.Normalization) and layer.weights:
            # EfficientNet, with the effect of the scaling that Keras adds for its ImageNet weights.
            layer.set_weights([np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225]) ** 2, np.array(0)])
            layer.finalize_state()
    for target, source in zip(weighted(theirs), weights, strict=True):
        target.set_weights(source.get_weights())
    scaled = importlib.import_module(constructor.__module__).preprocess_input(x.copy())
    return theirs(np.pad(scaled, ((0, 0), margin, margin, (0, 0))))


def weighted(model: keras.Model) -> list[keras.layers.Layer]:
    return [layer for layer in model.layers if layer.weights and not isinstance(layer, keras.layers.Normalization)]


def test_efficientnet_v2_s_has_a_scale_of_its_own() -> None:
    image = keras.Input((SIDE, SIDE, 3))
    ours = keras.Model(image, preprocess(image, encoder_entry("EfficientNetV2S").preprocessing))(pixels(SIDE))
    np.testing.assert_allclose(ours, pixels(SIDE) / 128 - 1, atol=1e-5)


def test_names_do_not_depend_on_what_was_built_before() -> None:
    first, second = (
        [operation.name for operation in application(encoder_entry("MobileNetV3Small")).operations[1:]]
        for _ in range(2)
    )
    assert first == second
