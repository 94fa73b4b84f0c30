"""The contract of every entry of the encoder table."""

from __future__ import annotations

import functools
import itertools
from typing import Any

import keras
import numpy as np
import pytest

from deeplab import ENCODERS
from deeplab.backbone import application, feature_maps
from deeplab.encoders import encoder_entry
from deeplab.layers import preprocess
from deeplab.profile import ancestors, encoder_profile
from deeplab.weights import copy_weights

SIDE = 64


@functools.cache
def network(encoder: str) -> keras.Model:
    """The application with random weights and normalisations that do something."""
    model = application(encoder_entry(encoder))
    random = np.random.default_rng(0)
    for layer in model.layers:
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
    image = keras.Input((SIDE, SIDE, 3))
    source = network(encoder)
    model = keras.Model(image, feature_maps(source, image, layers, output_stride, keras.layers.Conv2D))
    copy_weights(source, model)
    return model


def image() -> np.ndarray:
    return np.random.default_rng(1).uniform(-1, 1, (1, SIDE, SIDE, 3)).astype("float32")


def assert_close(actual: Any, expected: Any) -> None:
    scale = np.abs(expected).max()
    assert scale > 0
    np.testing.assert_allclose(np.asarray(actual) / scale, np.asarray(expected) / scale, atol=1e-5)


@pytest.mark.parametrize("encoder", ENCODERS)
def test_the_table_matches_the_network(encoder: str) -> None:
    entry = encoder_entry(encoder)
    profile = encoder_profile(encoder, 32)
    assert {name: profile[name].stride for name in entry.taps} == dict(entry.taps)
    assert all(profile[name].tappable for name in entry.taps)
    taps = list(entry.taps)
    for shallow, deep in itertools.pairwise(taps):
        assert shallow in ancestors(profile, [deep])
    assert set(entry.low_level) <= set(taps)


@pytest.mark.parametrize("encoder", ENCODERS)
def test_output_stride_32_is_the_application_itself(encoder: str) -> None:
    layers = list(encoder_entry(encoder).taps)
    source = network(encoder)
    original = keras.Model(source.input, [source.get_layer(name).output for name in layers])
    for ours, theirs in zip(dilated(encoder, 32, layers)(image()), original(image()), strict=True):
        assert_close(ours, theirs)


@pytest.mark.parametrize("output_stride", [8, 16])
@pytest.mark.parametrize("encoder", ENCODERS)
def test_dilation_keeps_each_position_that_the_stride_kept(encoder: str, output_stride: int) -> None:
    layers = list(encoder_entry(encoder).stages.values())
    strided = dilated(encoder, 32, layers)(image())
    dense = dilated(encoder, output_stride, layers)(image())
    for index, (few, many) in enumerate(zip(strided, dense, strict=True), start=1):
        step = max(2**index // output_stride, 1)
        assert many.shape[1] == SIDE // min(2**index, output_stride)
        assert_close(many[:, ::step, ::step], few)


@pytest.mark.parametrize("encoder", ENCODERS)
def test_preprocessing_is_that_of_the_application(encoder: str) -> None:
    entry = encoder_entry(encoder)
    pixels = np.random.default_rng(2).uniform(0, 255, (1, 4, 5, 3)).astype("float32")
    x = keras.Input((4, 5, 3))
    ours = keras.Model(x, preprocess(x, entry.preprocessing))(pixels) if entry.preprocessing != "none" else pixels
    module = getattr(keras.applications, MODULES[encoder])
    np.testing.assert_allclose(ours, module.preprocess_input(pixels.copy()), atol=1e-4)


MODULES = {"ResNet50": "resnet50", "MobileNetV2": "mobilenet_v2"}
