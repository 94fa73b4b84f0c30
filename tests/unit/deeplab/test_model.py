"""The built network: the tutorial's numbers, any image size, outputs, gradients, and loading without this package."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from deeplab import TUTORIAL, Architecture, build_model, encoder_layers
from deeplab.head import aspp
from deeplab.layers import KerasHead
from tests.unit.deeplab.test_every_network import take_statistics_of_one_batch

SMALL: dict[str, Any] = {"encoder": "MobileNetV2", "aspp_filters": 8, "decoder_filters": 8, "low_level_filters": 4}


def pixels(height: int, width: int, batch: int = 1) -> np.ndarray:
    return np.random.default_rng(0).uniform(0, 255, (batch, height, width, 3)).astype("float32")


@pytest.fixture(autouse=True)
def _same_weights_every_run() -> None:
    keras.utils.set_random_seed(0)


def tutorial(height: int, width: int, classes: int) -> keras.Model:
    """The published network, written only from its description."""

    def block(x: Any, filters: int, size: int, name: str, rate: int = 1) -> Any:
        x = keras.layers.Conv2D(filters, size, padding="same", dilation_rate=rate, use_bias=False, name=f"{name}c")(x)
        return keras.layers.ReLU()(keras.layers.BatchNormalization(name=f"{name}n")(x))

    encoder = keras.applications.ResNet50(include_top=False, weights=None, input_shape=(height, width, 3))
    x = encoder.get_layer("conv4_block6_out").output
    rows, columns = x.shape[1:3]
    pool = keras.layers.AveragePooling2D((rows, columns))(x)
    pool = keras.layers.UpSampling2D((rows, columns), interpolation="bilinear")(block(pool, 256, 1, "pool"))
    branches = [pool, block(x, 256, 1, "one")] + [block(x, 256, 3, f"rate{r}", r) for r in (6, 12, 18)]
    x = block(keras.layers.Concatenate()(branches), 256, 1, "project")
    x = keras.layers.UpSampling2D(4, interpolation="bilinear")(x)
    low = block(encoder.get_layer("conv2_block2_out").output, 48, 1, "low")
    x = keras.layers.Concatenate()([x, low])
    for index in (1, 2):
        x = keras.layers.Conv2D(256, 3, padding="same", use_bias=False, activation="relu", name=f"dec{index}c")(x)
        x = keras.layers.ReLU()(keras.layers.BatchNormalization(name=f"dec{index}n")(x))
    x = keras.layers.UpSampling2D(4, interpolation="bilinear")(x)
    activation = "sigmoid" if classes == 1 else "softmax"
    model = keras.Model(encoder.input, keras.layers.Conv2D(classes, 1, activation=activation, name="out")(x))
    random = np.random.default_rng(1)
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.set_weights([random.uniform(0.5, 1, weight.shape) for weight in layer.get_weights()])
    return model


HEAD = {
    "pool": "aspp_pool_{}",
    "one": "aspp_point_{}",
    "rate6": "aspp_rate6_{}",
    "rate12": "aspp_rate12_{}",
    "rate18": "aspp_rate18_{}",
    "project": "aspp_project_{}",
    "low": "low_level_{}",
    "dec1": "decoder_{}1",
    "dec2": "decoder_{}2",
}


def transplant(source: keras.Model, target: keras.Model) -> None:
    names = {"logits_conv": "out"}
    for theirs, ours in HEAD.items():
        names |= {ours.format("conv"): f"{theirs}c", ours.format("norm"): f"{theirs}n"}
    for layer in target.layers:
        if layer.weights:
            layer.set_weights(source.get_layer(names.get(layer.name, layer.name)).get_weights())


@pytest.mark.parametrize(
    ("size", "classes"),
    [
        ((96, 128), 11),
        ((90, 125), 1),
        pytest.param((96, 128), 1, marks=pytest.mark.grid),
        pytest.param((511, 333), 1, marks=pytest.mark.grid),
        pytest.param((512, 512), 1, marks=pytest.mark.grid),
    ],
)
def test_parity_with_the_tutorial(size: tuple[int, int], classes: int) -> None:
    """Also at sizes that the tutorial's own network does not support: there, that of the padded image, cropped."""
    height, width = (-(-side // 16) * 16 for side in size)
    reference = tutorial(height, width, classes)
    x = pixels(*size) - 128
    padded = np.pad(x, ((0, 0), (0, height - size[0]), (0, width - size[1]), (0, 0)))
    expected = reference(padded)[:, : size[0], : size[1]]
    image_sizes: list[tuple[int | None, int | None]] = [size] if classes > 1 else [size, (None, None)]
    for image_size in image_sizes:
        model = build_model(TUTORIAL, image_size, classes, preprocessing=False)
        transplant(reference, model)
        np.testing.assert_allclose(model(x), expected, atol=1e-5)


@pytest.mark.parametrize(("classes", "parameters"), [(1, 17_830_209), (11, 17_832_779)])
def test_parameters_of_the_tutorial_at_512(classes: int, parameters: int) -> None:
    model = build_model(TUTORIAL, (512, 512), classes)
    assert model.count_params() == parameters
    if classes == 1:
        assert sum(math.prod(w.shape) for w in model.trainable_weights) == 17_795_425
    assert model.output_shape == (None, 512, 512, classes)


@pytest.mark.parametrize(
    ("output_stride", "size"),
    [
        (8, (60, 85)),
        (32, (67, 85)),
        pytest.param(16, (67, 85), marks=pytest.mark.grid),
        pytest.param(16, (64, 96), marks=pytest.mark.grid),
    ],
)
def test_other_sizes_equal_the_padded_image_cropped(output_stride: int, size: tuple[int, int]) -> None:
    architecture = Architecture(**(SMALL | {"output_stride": output_stride}))
    height, width = (-(-side // output_stride) * output_stride for side in size)
    reference = build_model(architecture, (height, width), 3, preprocessing=False)
    x = pixels(*size) / 127.5 - 1
    padded = np.pad(x, ((0, 0), (0, height - size[0]), (0, width - size[1]), (0, 0)))
    expected = reference(padded)[:, : size[0], : size[1]]
    for image_size in (size, (None, None)):
        model = build_model(architecture, image_size, 3, preprocessing=False)
        model.set_weights(reference.get_weights())
        np.testing.assert_allclose(model(x), expected, atol=1e-5)
    # As a graph, in which no size is known before it runs.
    np.testing.assert_allclose(model.predict(x, verbose=0), expected, atol=1e-5)


def test_padding_comes_after_preprocessing() -> None:
    with_scaling = build_model(Architecture(**SMALL), (67, 85), 1)
    without = build_model(Architecture(**SMALL), (67, 85), 1, preprocessing=False)
    without.set_weights(with_scaling.get_weights())
    x = pixels(67, 85)
    np.testing.assert_allclose(with_scaling(x), without(x / 127.5 - 1), atol=1e-5)


@pytest.mark.parametrize(("classes", "activation"), [(1, keras.ops.sigmoid), (4, keras.ops.softmax)])
def test_outputs_agree(classes: int, activation: Any) -> None:
    outputs: tuple[Any, ...] = ("logits", "probabilities", "class_ids")
    models = [build_model(Architecture(**SMALL), (64, 85), classes, output=output) for output in outputs]
    kernel, _ = models[0].get_layer("logits_conv").get_weights()
    raw = np.asarray(models[0](pixels(64, 85)))
    # Centred and scaled, so that several classes occur and differ by more than rounding.
    mean, deviation = raw.mean((0, 1, 2)), raw.std((0, 1, 2))
    models[0].get_layer("logits_conv").set_weights([kernel / deviation, -mean / deviation])
    for model in models[1:]:
        model.set_weights(models[0].get_weights())
    logits, probabilities, ids = (np.asarray(model(pixels(64, 85))) for model in models)
    assert logits.shape == probabilities.shape == (1, 64, 85, classes)
    assert logits.dtype == probabilities.dtype == np.float32
    assert ids.shape == (1, 64, 85)
    assert ids.dtype == np.int32
    np.testing.assert_allclose(probabilities, activation(logits), atol=1e-6)
    ranked = np.sort(logits, axis=-1)
    margin = np.abs(logits[..., 0]) if classes == 1 else ranked[..., -1] - ranked[..., -2]
    expected = probabilities[..., 0] > 0.5 if classes == 1 else probabilities.argmax(-1)
    clear = margin > 1e-5  # for the others, rounding decides
    assert clear.mean() > 0.99
    np.testing.assert_array_equal(ids[clear], expected[clear])
    assert len(np.unique(ids)) > 1


def test_outputs_stay_float32_in_mixed_precision() -> None:
    keras.config.set_dtype_policy("mixed_float16")
    try:
        model = build_model(Architecture(**SMALL), (64, 64), 1)
    finally:
        keras.config.set_dtype_policy("float32")
    assert model.output.dtype == "float32"
    assert model.get_layer("decoder_conv1").compute_dtype == "float16"
    assert np.isfinite(model(pixels(64, 64))).all()


VARIANTS: list[dict[str, Any]] = [
    {},
    {"output_stride": 8, "aspp_tap": "stage5", "low_level_tap": ("stage3", "stage2", "stage1")},
    {"aspp_rates": (), "aspp_pooling": False, "decoder_depth": 0},
    {"low_level_filters": 0, "decoder_depth": 1, "decoder_double_relu": False},
    {"aspp_separable": True, "decoder_separable": True, "aspp_dropout": 0.5, "normalization": "group"},
    {"aspp_rates": (1, 40), "aspp_pooling": True, "decoder_depth": 4},
]


@pytest.mark.parametrize("variant", VARIANTS)
def test_no_parameter_is_dead(variant: dict[str, Any]) -> None:
    architecture = Architecture(**(SMALL | variant))
    assert_every_weight_learns(build_model(architecture, (64, 96), 3, output="logits"))


def assert_every_weight_learns(model: keras.Model) -> None:
    tf = pytest.importorskip("tensorflow")
    target = np.random.default_rng(1).normal(size=(1, 64, 96, 3)).astype("float32")
    with tf.GradientTape() as tape:
        # Inference statistics: in training a bias before a batch normalisation rightly has no gradient.
        loss = keras.ops.mean(target * model(pixels(64, 96), training=False))
    for weight, gradient in zip(model.trainable_weights, tape.gradient(loss, model.trainable_weights), strict=True):
        assert gradient is not None, weight.path
        assert np.isfinite(gradient).all(), weight.path
        assert np.any(gradient != 0), weight.path


def test_rates_twice_as_large_at_half_the_stride_see_the_same_pixels() -> None:
    """Rates count cells of the tapped map: the same reach in pixels requires `rate * 16 / output_stride`."""
    dense = np.random.default_rng(0).normal(size=(1, 16, 24, 5)).astype("float32")
    coarse = dense[:, ::2, ::2]
    answers = {}
    for features, rates in ((coarse, (1, 2)), (dense, (2, 4)), (dense, (1, 2))):
        keras.utils.set_random_seed(0)
        architecture = Architecture(aspp_filters=8, aspp_pooling=False, aspp_rates=rates)
        x = keras.Input(features.shape[1:])
        answers[len(features[0]), rates] = np.asarray(
            keras.Model(x, aspp(KerasHead("batch", "stock"), architecture, x))(features)
        )
    np.testing.assert_allclose(answers[16, (2, 4)][:, ::2, ::2], answers[8, (1, 2)], atol=1e-5)
    assert np.abs(answers[16, (1, 2)][:, ::2, ::2] - answers[8, (1, 2)]).max() > 0.1


def test_with_group_normalisation_and_a_frozen_encoder_a_batch_of_one_trains_as_any() -> None:
    """The remedy if batches are too small for batch statistics, with which images influence each other."""
    alone = {}
    for normalization in ("group", "batch"):
        model = build_model(Architecture(**SMALL, normalization=normalization), (64, 64), 3, output="logits")
        take_statistics_of_one_batch(model)
        for layer in encoder_layers(model):
            layer.trainable = False
        x = pixels(64, 64, batch=2)
        alone[normalization] = np.abs(model(x[:1], training=True) - model(x, training=True)[:1]).max()
    assert alone["group"] < 1e-4
    assert alone["batch"] > 1e-2


def test_fast_and_stock_are_interchangeable() -> None:
    tf = pytest.importorskip("tensorflow")
    architecture = Architecture(**(SMALL | {"encoder": "ResNet50", "output_stride": 8, "aspp_rates": (2, 7)}))
    stock, fast = (
        build_model(architecture, (67, 85), 2, output="logits", atrous=atrous) for atrous in ("stock", "fast")
    )
    assert [layer.name for layer in stock.layers] == [layer.name for layer in fast.layers]
    assert type(fast.get_layer("aspp_rate7_conv")) is not type(stock.get_layer("aspp_rate7_conv"))
    fast.set_weights(stock.get_weights())
    x, gradients, outputs = pixels(67, 85), [], []
    for model in (stock, fast):
        with tf.GradientTape() as tape:
            logits = model(x)
            loss = keras.ops.mean(keras.ops.square(logits))
        outputs.append(np.asarray(logits))
        gradients.append(tape.gradient(loss, model.trainable_weights))
    scale = np.abs(outputs[0]).max()
    np.testing.assert_allclose(outputs[0] / scale, outputs[1] / scale, atol=1e-5)
    for weight, ours, theirs in zip(stock.trainable_weights, *gradients, strict=True):
        size = np.abs(ours).max()
        np.testing.assert_allclose(ours / size, theirs / size, atol=1e-3, err_msg=weight.path)


def test_encoder_layers_can_be_told_from_the_heads() -> None:
    model = build_model(TUTORIAL, (64, 64), 1)
    names = {layer.name for layer in encoder_layers(model)}
    encoder = keras.applications.ResNet50(include_top=False, weights=None)
    weighted = {layer.name for layer in encoder.layers if layer.weights}
    assert names == {name for name in weighted if not name.startswith("conv5")}


def test_layer_names_say_what_they_are() -> None:
    names = {layer.name for layer in build_model(TUTORIAL, (67, 64), 1).layers}
    assert {"image", "preprocessing", "aspp_rate6_conv", "aspp_pool_conv", "decoder_conv1", "logits_conv"} <= names


def test_saved_models_load_without_this_package(tmp_path: Path) -> None:
    architecture = Architecture(**(SMALL | {"output_stride": 8, "low_level_tap": ("stage3", "stage2")}))
    sizes: tuple[tuple[int | None, int | None], ...] = ((67, 85), (None, None))
    for index, size in enumerate(sizes):
        output: Any = "probabilities" if index else "class_ids"
        model = build_model(architecture, size, 3, output=output)
        model.save(tmp_path / f"{index}.keras")
        np.save(tmp_path / f"{index}.npy", model(pixels(67, 85)))
    np.save(tmp_path / "pixels.npy", pixels(67, 85))
    code = (
        "import sys, keras, numpy as np\n"
        "for i in '01':\n"
        "    model = keras.saving.load_model(i + '.keras')\n"
        "    np.testing.assert_allclose(model(np.load('pixels.npy')), np.load(i + '.npy'), atol=1e-5)\n"
        "assert 'deeplab' not in sys.modules\n"
    )
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    subprocess.run([sys.executable, "-I", "-c", code], cwd=tmp_path, env=environment, check=True)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"image_size": (8, 64)}, r"image_size \(=\(8, 64\)\) must not be smaller than output_stride \(=16\)"),
        ({"image_size": (None, 64)}, r"\(height, width\) or \(None, None\); given: \(None, 64\)"),
        ({"image_size": (64.0, 64)}, "whole numbers"),
        ({"classes": 0}, "classes must be a whole number, 1 or more; given: 0"),
        ({"output": "masks"}, "output must be one of logits, probabilities, class_ids; given: 'masks'"),
        ({"atrous": "slow"}, "atrous must be one of stock, fast; given: 'slow'"),
    ],
)
def test_bad_arguments_are_refused(arguments: dict[str, Any], message: str) -> None:
    good: dict[str, Any] = {"image_size": (64, 64), "classes": 2}
    with pytest.raises(ValueError, match=message):
        build_model(Architecture(**SMALL), **(good | arguments))
