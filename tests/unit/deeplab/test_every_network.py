"""Every encoder at every output stride, to the end of the encoder: it learns, and survives saving in every file format.

By default a few networks at the stride of the tutorial, and one at every stride; `make grid` runs the whole grid (an
hour or two).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from deeplab import ENCODERS, Architecture, build_model
from deeplab.encoders import OUTPUT_STRIDES
from deeplab.losses import MaskedCrossentropy

HEIGHT, WIDTH, CLASSES = 64, 64, 3


def grid(default: set[tuple[str, int]]) -> Any:
    """All cells of the grid, with those outside the default run marked."""
    cells = [(encoder, stride) for encoder in ENCODERS for stride in OUTPUT_STRIDES]
    marked = [pytest.param(*cell, marks=[] if cell in default else pytest.mark.grid) for cell in cells]
    return pytest.mark.parametrize(("encoder", "output_stride"), marked)


def network(encoder: str, output_stride: int, **options: Any) -> keras.Model:
    keras.utils.set_random_seed(0)
    small = {"aspp_filters": 8, "aspp_rates": (1, 2), "low_level_filters": 4, "decoder_filters": 8}
    architecture = Architecture(encoder=encoder, output_stride=output_stride, aspp_tap="stage5", **small)  # type: ignore[arg-type]
    return build_model(architecture, (HEIGHT, WIDTH), CLASSES, **options)


def pixels() -> np.ndarray:
    return np.random.default_rng(0).uniform(0, 255, (2, HEIGHT, WIDTH, 3)).astype("float32")


@grid(default={("ResNet50", 16), ("MobileNetV2", 8), ("Xception", 32)})
def test_a_step_trains_every_weight(encoder: str, output_stride: int) -> None:
    tf = pytest.importorskip("tensorflow")
    model = network(encoder, output_stride, output="logits")
    weights = model.trainable_weights
    random = np.random.default_rng(1)
    labels = random.integers(0, CLASSES, (2, HEIGHT, WIDTH))
    with tf.GradientTape() as tape:
        loss = MaskedCrossentropy(CLASSES)(labels, model(pixels(), training=True))
    gradients = tape.gradient(loss, weights)
    for weight, gradient in zip(weights, gradients, strict=True):
        assert gradient is not None, weight.path
        assert np.isfinite(gradient).all(), weight.path
    keras.optimizers.SGD(0.01).apply(gradients, weights)

    # With fixed statistics: a bias before a batch normalisation rightly has no gradient.
    take_statistics_of_one_batch(model)
    target = random.normal(size=(2, HEIGHT, WIDTH, CLASSES)).astype("float32")
    with tf.GradientTape() as tape:
        product = keras.ops.mean(target * model(pixels(), training=False))
    for weight, gradient in zip(weights, tape.gradient(product, weights), strict=True):
        assert np.isfinite(gradient).all(), weight.path
        assert np.any(gradient != 0), weight.path


def take_statistics_of_one_batch(model: keras.Model) -> None:
    """The initial statistics are far from those of any data: in a deep network, signals and gradients vanish."""
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = 0.0
        if isinstance(layer, keras.layers.Dropout):
            layer.rate = 0.0
    model(pixels(), training=True)


@grid(default={("MobileNetV2", 8)})
@pytest.mark.timeout(1800)
@pytest.mark.filterwarnings("ignore:.*tf.lite.Interpreter is deprecated")
def test_every_format_answers_as_the_model(encoder: str, output_stride: int, tmp_path: Path) -> None:
    tf = pytest.importorskip("tensorflow")
    model, x = network(encoder, output_stride), pixels()[:1]
    expected = model(x, training=False)

    model.save(tmp_path / "model.keras")
    np.testing.assert_allclose(
        keras.saving.load_model(tmp_path / "model.keras")(x, training=False), expected, atol=1e-5
    )

    model.export(tmp_path / "saved", format="tf_saved_model", verbose=False)
    served = tf.saved_model.load(tmp_path / "saved")
    np.testing.assert_allclose(served.serve(x), expected, atol=1e-5)

    model.export(tmp_path / "model.tflite", format="litert", verbose=False)
    interpreter = tf.lite.Interpreter(str(tmp_path / "model.tflite"))
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], x)
    interpreter.invoke()
    answer = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])
    np.testing.assert_allclose(answer, expected, atol=1e-4)
