"""Fast dilated convolutions equal Keras's: same weights, same configuration, same values and gradients."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from deeplab.convolution import (
    Axis,
    FastDilatedConv2D,
    FastDilatedDepthwiseConv2D,
    dilated_layers,
    over_submaps,
    sum_of_taps,
)

tf = pytest.importorskip("tensorflow")

PAIRS: dict[str, tuple[Any, Any, dict[str, int]]] = {
    "dense": (keras.layers.Conv2D, FastDilatedConv2D, {"filters": 3}),
    "depthwise": (keras.layers.DepthwiseConv2D, FastDilatedDepthwiseConv2D, {"depth_multiplier": 2}),
}


@st.composite
def cases(draw: st.DrawFn) -> dict[str, Any]:
    """A layer's arguments and its input map: rates up to beyond the map, odd and even sides."""
    strides = draw(st.sampled_from([1, 1, 1, 2]))
    # TensorFlow's own bfloat16 depthwise gradient is uninitialised memory if a stride leaves taps that see nothing.
    side = st.integers(2 if strides == 2 else 1, 36)
    shape = (draw(st.integers(1, 3)), draw(side), draw(side), draw(st.integers(1, 4)))
    rates = draw(st.tuples(st.integers(1, 24), st.integers(1, 24)) | st.integers(1, 24).map(lambda r: (r, r)))
    kernel = draw(st.sampled_from([(3, 3), (3, 3), (1, 3), (5, 5), (2, 2)]))
    dilation = rates if strides == 1 else (1, 1)
    fits = all((k - 1) * rate < side for k, rate, side in zip(kernel, dilation, shape[1:3], strict=True))
    return {
        "shape": shape,
        "kernel_size": kernel,
        "strides": strides,
        "dilation_rate": dilation,
        "padding": draw(st.sampled_from(["same", "same", "valid"] if fits else ["same"])),
        "use_bias": draw(st.booleans()),
        "activation": draw(st.sampled_from([None, "relu"])),
        "dtype": draw(st.sampled_from(["float32", "float32", "float64", "mixed_bfloat16"])),
    }


def case(**changes: Any) -> dict[str, Any]:
    arguments = {"shape": (2, 9, 8, 3), "kernel_size": 3, "strides": 1, "dilation_rate": 3, "padding": "same"}
    return arguments | {"use_bias": False, "activation": None, "dtype": "float32"} | changes


def values_and_gradients(layer: Any, x: np.ndarray, weights: list[np.ndarray], direction: np.ndarray) -> list[Any]:
    if not layer.built:
        layer.build(x.shape)
    layer.set_weights(weights)
    tensor = tf.constant(x, layer.compute_dtype)
    with tf.GradientTape() as tape:
        tape.watch(tensor)
        y = layer(tensor)
        loss = tf.reduce_sum(tf.cast(y, tf.float64) * direction)
    return [y, *tape.gradient(loss, [tensor, *layer.trainable_weights])]


@pytest.mark.parametrize("kind", PAIRS)
@settings(max_examples=60, deadline=None)
@given(arguments=cases(), seed=st.integers(0, 2**16))
@example(arguments=case(shape=(2, 6, 8, 3), dilation_rate=6), seed=0)  # half of the taps are cut
@example(arguments=case(shape=(1, 5, 5, 2), dilation_rate=18), seed=0)  # only the centre is left
@example(arguments=case(shape=(1, 16, 16, 2), dilation_rate=12), seed=0)  # few cells are seen
@example(arguments=case(shape=(2, 33, 35, 2), dilation_rate=2, use_bias=True), seed=0)  # large, odd
@example(arguments=case(shape=(2, 1, 1, 2), strides=2, dilation_rate=1), seed=0)  # one cell, in float32
def test_equal_to_stock_in_values_and_gradients(kind: str, arguments: dict[str, Any], seed: int) -> None:
    stock_class, fast_class, own = PAIRS[kind]
    shape, options = arguments["shape"], {k: v for k, v in arguments.items() if k != "shape"}
    stock = stock_class(**own, **options)
    rng = np.random.default_rng(seed)
    stock.build(shape)
    # Positive, so that a ReLU passes everything, and no sum cancels out to leave nothing but rounding errors.
    weights = [rng.uniform(0.5, 1.5, weight.shape) for weight in stock.weights]
    x, direction = rng.uniform(0.5, 1.5, shape), rng.uniform(0.5, 1.5, stock.compute_output_shape(shape))
    fast = fast_class.from_config(stock.get_config())
    tolerance = 2e-2 if "bfloat16" in options["dtype"] else 1e-5
    pair = [values_and_gradients(layer, x, weights, direction) for layer in (stock, fast)]
    for expected, found in zip(*pair, strict=True):
        assert found.dtype == expected.dtype
        np.testing.assert_allclose(
            np.asarray(tf.cast(found, tf.float64)), np.asarray(tf.cast(expected, tf.float64)), rtol=tolerance, atol=0
        )


@settings(max_examples=30, deadline=None)
@given(
    sides=st.tuples(st.integers(1, 20), st.integers(1, 20)),
    rates=st.tuples(st.integers(1, 12), st.integers(1, 12)),
    taps=st.tuples(st.sampled_from([1, 3, 5]), st.sampled_from([1, 3, 5])),
)
def test_each_formulation_is_the_convolution_at_any_size(
    sides: tuple[int, int], rates: tuple[int, int], taps: tuple[int, int]
) -> None:
    """Even where the rule would choose another formulation, so that its thresholds may change."""
    x = tf.random.stateless_uniform((2, *sides, 2), (0, 1))
    kernel = tf.random.stateless_uniform((*taps, 2, 3), (2, 3))
    rows, columns = (Axis(*axis) for axis in zip(sides, taps, rates, strict=True))
    expected = tf.nn.convolution(x, kernel, padding="SAME", dilations=rates)
    cut = kernel[rows.cut(), columns.cut()]
    by_taps = sum_of_taps(x, cut, rows, columns)
    by_submaps = over_submaps(x, cut, rates, lambda x, kernel, _: tf.nn.conv2d(x, kernel, 1, "SAME"))
    np.testing.assert_allclose(by_taps, expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(by_submaps, expected, rtol=1e-5, atol=1e-6)


def test_the_taps_that_reach_a_map() -> None:
    assert list(Axis(side=10, taps=3, rate=6).offsets) == [-6, 0, 6]
    assert list(Axis(side=6, taps=3, rate=6).offsets) == [0]
    assert list(Axis(side=7, taps=5, rate=4).offsets) == [-4, 0, 4]
    assert Axis(side=10, taps=3, rate=6).seen == 4 + 10 + 4


@pytest.mark.parametrize("kind", PAIRS)
def test_a_drop_in_for_stock(kind: str) -> None:
    stock_class, fast_class, own = PAIRS[kind]
    fast = fast_class(**own, kernel_size=3, dilation_rate=2, padding="same", name="layer")
    assert isinstance(fast, stock_class)
    stock = stock_class.from_config(fast.get_config())
    assert stock.get_config() == fast.get_config()
    for layer in (stock, fast):
        layer.build((None, 8, 8, 3))
    assert [weight.name for weight in stock.weights] == [weight.name for weight in fast.weights]


def test_stock_layers_where_fast_ones_are_not_asked_for_or_not_faster(monkeypatch: pytest.MonkeyPatch) -> None:
    assert dilated_layers("stock")[keras.layers.Conv2D] is keras.layers.Conv2D
    if not tf.config.list_physical_devices("GPU"):
        assert dilated_layers("fast")[keras.layers.Conv2D] is FastDilatedConv2D
    monkeypatch.setattr("deeplab.convolution.is_faster_here", lambda: False)
    assert dilated_layers("fast")[keras.layers.DepthwiseConv2D] is keras.layers.DepthwiseConv2D
