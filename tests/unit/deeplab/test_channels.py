"""Networks of other numbers of channels than three, with the weights of pretrained encoders."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pytest

from deeplab import Architecture, build_model, cost
from deeplab.backbone import application
from deeplab.encoders import encoder_entry
from deeplab.profile import encoder_profile
from deeplab.weights import for_channels

SIZE = (64, 64)
FIRST = {"MobileNetV2": "Conv1", "ResNet50": "conv1_conv", "EfficientNetB0": "stem_conv", "DenseNet121": "conv1_conv"}


@pytest.mark.parametrize(
    ("encoder", "channels"),
    [
        ("MobileNetV2", 1),
        ("MobileNetV2", 16),
        ("ResNet50", 4),
        pytest.param("EfficientNetB0", 2, marks=pytest.mark.grid),
        pytest.param("DenseNet121", 1, marks=pytest.mark.grid),
    ],
)
def test_shapes_and_cost(encoder: str, channels: int) -> None:
    architecture = Architecture(encoder=encoder, aspp_filters=16, decoder_filters=16, low_level_filters=8)
    model = build_model(architecture, SIZE, 3, channels=channels)
    assert model.input_shape == (None, *SIZE, channels)
    assert model.output_shape == (None, *SIZE, 3)
    assert model.count_params() == cost(architecture, SIZE, 3, channels).parameters
    assert np.isfinite(model(np.full((1, *SIZE, channels), 200.0))).all()


@pytest.mark.parametrize("encoder", [*FIRST, "ConvNeXtTiny", "Xception", "MobileNetV3Small", "EfficientNetV2B0"])
def test_a_single_layer_reads_the_image(encoder: str) -> None:
    """What `for_channels` adapts is the only thing that depends on the number of channels."""
    profiles = [encoder_profile(encoder, 32, channels) for channels in (3, 5)]
    different = [name for name in profiles[0] if profiles[0][name].parameters != profiles[1][name].parameters]
    assert len(different) == 1


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("weights")
    paths = {}
    for encoder in ("MobileNetV2", "ResNet50"):
        paths[encoder] = folder / f"{encoder}.weights.h5"
        application(encoder_entry(encoder)).save_weights(paths[encoder])
    return paths


@pytest.mark.parametrize(("encoder", "channels"), [("MobileNetV2", 1), ("MobileNetV2", 7), ("ResNet50", 4)])
def test_pretrained_kernels_are_adapted(weights: dict[str, Path], encoder: str, channels: int) -> None:
    architecture = Architecture(encoder=encoder, aspp_filters=16, decoder_filters=16)
    kernels = [
        build_model(architecture, SIZE, 2, encoder_weights=weights[encoder], channels=number)
        .get_layer(FIRST[encoder])
        .get_weights()[0]
        for number in (3, channels)
    ]
    of_rgb = kernels[0][:, :, ::-1] if encoder == "ResNet50" else kernels[0]
    if channels == 1:
        expected = of_rgb[:, :, :1] + of_rgb[:, :, 1:2] + of_rgb[:, :, 2:]
    else:
        expected = np.stack([of_rgb[:, :, channel % 3] * 3 / channels for channel in range(channels)], axis=2)
    np.testing.assert_allclose(kernels[1], expected, rtol=1e-5, atol=1e-7)


def test_grey_images_look_as_they_do_in_colour(weights: dict[str, Path]) -> None:
    """Exact where all channels are scaled alike, as MobileNetV2's are; elsewhere their means differ."""
    architecture = Architecture(encoder="MobileNetV2", aspp_filters=16, decoder_filters=16)
    models = [
        build_model(architecture, SIZE, 2, encoder_weights=weights["MobileNetV2"], channels=channels)
        for channels in (1, 3)
    ]
    tap = keras.Model(models[0].input, models[0].get_layer("block_12_add").output)
    other = keras.Model(models[1].input, models[1].get_layer("block_12_add").output)
    grey = np.random.default_rng(0).integers(0, 256, (1, *SIZE, 1)).astype(np.float32)
    np.testing.assert_allclose(tap(grey), other(np.repeat(grey, 3, -1)), atol=1e-4)


def test_random_kernels_differ_from_channel_to_channel() -> None:
    kernel = build_model(Architecture(encoder="MobileNetV2"), SIZE, 2, channels=6).get_layer("Conv1").get_weights()[0]
    assert not np.allclose(kernel[:, :, 0], kernel[:, :, 3])


@pytest.mark.parametrize("channels", [0, 17, 2.0, True])
def test_other_numbers_are_refused(channels: int) -> None:
    with pytest.raises(ValueError, match="channels must be 1 to 16"):
        build_model(Architecture(), SIZE, 2, channels=channels)
    with pytest.raises(ValueError, match="channels must be 1 to 16"):
        cost(Architecture(), SIZE, 2, channels)


def test_the_sum_of_kernels_keeps_its_scale() -> None:
    kernel = np.ones((3, 3, 3, 8), np.float32)
    for channels in (1, 3, 4, 9):
        np.testing.assert_allclose(for_channels(kernel, channels, reverse=False).sum(axis=2), 3, rtol=1e-6)
