"""Cost: exactly the built model's parameters, multiply-accumulates as counted by hand, quickly."""

from __future__ import annotations

import math
from typing import Any

import keras
import pytest
from hypothesis import Phase, given, settings

from deeplab import TUTORIAL, Architecture, build_model, cost, feature_map_size, layer_costs
from tests.unit.deeplab.strategies import architectures


def test_the_tutorial_at_512() -> None:
    one = cost(TUTORIAL, (512, 512), 1)
    assert (one.parameters, one.trainable_parameters) == (17_830_209, 17_795_425)
    assert cost(TUTORIAL, (512, 512), 11).parameters == 17_832_779


# A failure is reported as found, because shrinking it would build hundreds of models.
@settings(max_examples=6, deadline=None, phases=[Phase.reuse, Phase.generate])
@given(architectures(("MobileNetV2",), max_filters=12))
def test_cost_is_the_built_models(architecture: Architecture) -> None:
    model = build_model(architecture, (64, 96), 3, preprocessing=False)
    counted = cost(architecture, (64, 96), 3)
    assert counted.parameters == model.count_params()
    assert counted.trainable_parameters == sum(math.prod(w.shape) for w in model.trainable_weights)
    assert counted.macs == macs_of(model)
    assert counted.peak_activation_bytes == 4 * sum(math.prod(op.output.shape[1:]) for op in model.operations)
    layers = layer_costs(architecture, (64, 96), 3)
    weights = {op.name: op.count_params() for op in model.operations if isinstance(op, keras.layers.Layer)}
    for layer in layers:
        shape = model.get_layer(layer.name).output.shape[1:]
        assert (shape if len(shape) == 3 else (1, 1, shape[-1])) == layer.shape
        assert weights.get(layer.name, 0) == layer.parameters
    assert sorted(layer.name for layer in layers) == sorted(op.name for op in model.operations)


def macs_of(model: keras.Model) -> int:
    """Multiply-accumulates, counted from the built model's own layers and shapes."""
    total = 0
    for layer in model.layers:
        if isinstance(layer, (keras.layers.Conv2D, keras.layers.DepthwiseConv2D)):
            _, height, width, _ = layer.output.shape
            total += height * width * math.prod(layer.kernel.shape)
    return total


def test_macs_of_the_tutorial_by_hand() -> None:
    def stage(cells: int, filters: int, channels: int, blocks: int) -> int:
        first = channels * filters + 9 * filters**2 + 4 * filters**2 + channels * 4 * filters
        rest = 4 * filters**2 + 9 * filters**2 + 4 * filters**2
        return cells * (first + (blocks - 1) * rest)

    at4, at8, at16 = 128**2, 64**2, 32**2
    encoder = 256**2 * 49 * 3 * 64
    encoder += stage(at4, 64, 64, 3) + stage(at8, 128, 256, 4) + stage(at16, 256, 512, 6)
    aspp = at16 * (1024 * 256 + 3 * 9 * 1024 * 256 + 5 * 256 * 256) + 1024 * 256
    decoder = at4 * (256 * 48 + 9 * (304 * 256 + 256 * 256) + 256)
    # The tutorial taps the second of stage 2's blocks; the third still feeds stage 3.
    assert cost(TUTORIAL, (512, 512), 1).macs == encoder + aspp + decoder


def test_sides_are_padded_to_the_output_stride() -> None:
    assert cost(TUTORIAL, (511, 333), 2) == cost(TUTORIAL, (512, 336), 2)
    assert feature_map_size((511, 333), 16) == (32, 21)
    assert feature_map_size((96, 128), 8) == (12, 16)


@pytest.mark.parametrize(
    ("image_size", "classes", "message"),
    [((96, 8), 1, r"\(96, 8\).*output_stride \(=16\)"), ((96, 96), 0, "given: 0")],
)
def test_bad_input_is_refused(image_size: tuple[int, int], classes: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        cost(TUTORIAL, image_size, classes)


@pytest.mark.filterwarnings("ignore:.*:DeprecationWarning:tensorflow")
@pytest.mark.parametrize(
    "fields",
    [
        {"encoder": "MobileNetV2", "output_stride": 8, "aspp_separable": True, "decoder_separable": True},
        pytest.param(
            {"encoder": "EfficientNetB0", "output_stride": 16, "aspp_filters": 64, "normalization": "group"},
            marks=pytest.mark.grid,
        ),
    ],
    ids=lambda fields: fields["encoder"],
)
def test_macs_are_those_of_tensorflows_profiler(fields: dict[str, Any]) -> None:
    architecture = Architecture(**fields, aspp_rates=(2, 4), decoder_filters=64)
    profiled = profiler_macs(build_model(architecture, (128, 128), 3))
    assert cost(architecture, (128, 128), 3).macs == pytest.approx(profiled, rel=0.001)


def profiler_macs(model: keras.Model) -> float:
    """Half the float operations of convolutions and matrix products that TensorFlow's profiler counts."""
    import tensorflow as tf
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    traced = tf.function(lambda image: model(image, training=False))
    graph = convert_variables_to_constants_v2(traced.get_concrete_function(tf.TensorSpec((1, 128, 128, 3)))).graph
    options = tf.compat.v1.profiler.ProfileOptionBuilder.float_operation() | {"output": "none"}
    node = tf.compat.v1.profiler.profile(graph, cmd="op", options=options)
    operations = {}
    while node.children:  # a list, each node is the child of the one before
        (node,) = node.children
        operations[node.name] = node.float_ops
    return sum(operations.get(name, 0) for name in ("Conv2D", "DepthwiseConv2dNative", "MatMul")) / 2
