"""The dilated convolution alone: every formulation, forward and backward, over a grid of map sizes and rates.

`ours` is what `deeplab.convolution` chooses, `stock` is what Keras's layers call, and the others are all the available
formulations.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import tensorflow as tf

from benchmarks._measure import arguments, in_turns, report, with_progress
from deeplab.convolution import Axis, dilated_conv2d, dilated_depthwise_conv2d, over_submaps, sum_of_taps

BATCH = 8
Convolve = Callable[[Any, Any], Any]


def main() -> None:
    """Compare, print, and summarize as the worst ratio of ours to the best formulation."""
    options = arguments(__doc__ or "")
    tf.get_logger().setLevel("ERROR")  # it would warn about many traces, but each formulation needs its own
    rows = []
    for kind, size, channels, rate in with_progress("conv", grid(options.full, options.smoke)):
        repeats = 1 if options.smoke else 7
        clock = time.process_time if options.processor_time else time.perf_counter
        rows.append(compare(kind, size, channels, rate, partial(in_turns, repeats=repeats, clock=clock)))
    report(
        "conv",
        rows,
        worst_against_best=max(row["ours/best"] for row in rows),
        worst_against_stock=max(row["ours/stock"] for row in rows),
    )


def grid(full: bool, smoke: bool) -> Iterator[tuple[str, tuple[int, int], tuple[int, int], int]]:
    """(kind, size, channels, rate), for the feature maps of an ASPP on images of 96x128, 160x160 and 256x256."""
    if smoke:
        yield from (("dense", (3, 4), (2, 2), 2), ("depthwise", (3, 4), (2, 2), 2))
        return
    sizes, rates = [(6, 8), (10, 10), (16, 16)], [2, 6, 12, 18]
    if full:
        sizes, rates = [*sizes, (12, 16), (20, 20), (32, 32)], [2, 4, 6, 12, 18, 24]
    for size in sizes:
        for rate in rates:
            yield "dense", size, (1024, 256), rate
            yield "depthwise", size, (1024, 1024), rate
    for rate in (2, 6, 12) if full else (2, 12):
        yield "dense", (32, 32), (256, 256), rate


def compare(
    kind: str, size: tuple[int, int], channels: tuple[int, int], rate: int, measure: Callable[..., dict[str, float]]
) -> dict[str, Any]:
    """Milliseconds for a forward and a backward pass with each formulation at one point of the grid."""
    inputs, outputs = channels
    x = tf.random.normal((BATCH, *size, inputs))
    kernel = tf.random.normal((3, 3, inputs, outputs if kind == "dense" else 1))
    direction = tf.random.normal((BATCH, *size, outputs))
    sides = dense(size, rate) if kind == "dense" else depthwise(size, rate)
    steps = {name: step_of(convolve) for name, convolve in sides.items()}
    expected = steps["stock"](x, kernel, direction)
    for step in steps.values():
        for found, right in zip(step(x, kernel, direction), expected, strict=True):
            error = float(tf.reduce_max(tf.abs(found - right)) / tf.reduce_max(tf.abs(right)))
            if error > 1e-5:
                raise AssertionError(f"{kind} {size} rate {rate}: relative error {error}")
    # Reading a value waits until the whole step is finished.
    seconds = measure({name: lambda s=step: s(x, kernel, direction)[0].numpy() for name, step in steps.items()})
    best = min(seconds.values())
    return {
        "layer": kind,
        "map": f"{size[0]}x{size[1]}",
        "channels": f"{inputs}>{outputs}",
        "rate": rate,
        **{f"{name}_ms": round(1e3 * seconds[name], 2) if name in seconds else "" for name in NAMES},
        "ours/best": round(seconds["ours"] / best, 2),
        "ours/stock": round(seconds["ours"] / seconds["stock"], 3),
    }


NAMES = ("ours", "stock", "kernel", "cut_kernel", "taps", "submaps")


def dense(size: tuple[int, int], rate: int) -> dict[str, Convolve]:
    """Every formulation of a 3x3 convolution."""
    rows, columns = (Axis(side, 3, rate) for side in size)

    def cut(kernel: Any) -> Any:
        return kernel[rows.cut(), columns.cut()]

    def native(x: Any, kernel: Any, rates: Any = (rate, rate)) -> Any:
        return tf.nn.conv2d(x, kernel, 1, "SAME", dilations=rates)

    return {
        "ours": lambda x, kernel: dilated_conv2d(x, kernel, (rate, rate)),
        "stock": lambda x, kernel: tf.nn.convolution(x, kernel, padding="SAME", dilations=(rate, rate)),
        "kernel": native,
        "cut_kernel": lambda x, kernel: native(x, cut(kernel)),
        "taps": lambda x, kernel: sum_of_taps(x, cut(kernel), rows, columns),
        "submaps": lambda x, kernel: over_submaps(x, kernel, (rate, rate), native),
    }


def depthwise(size: tuple[int, int], rate: int) -> dict[str, Convolve]:
    """Every formulation of a 3x3 depthwise convolution, for which oneDNN has no dilated kernel."""

    def stock(x: Any, kernel: Any, rates: Any = (rate, rate)) -> Any:
        return tf.nn.depthwise_conv2d(x, kernel, [1, 1, 1, 1], "SAME", dilations=rates)

    rows, columns = (Axis(side, 3, rate) for side in size)
    rates = tuple(rate if axis.reach else 1 for axis in (rows, columns))
    return {
        "ours": lambda x, kernel: dilated_depthwise_conv2d(x, kernel, (rate, rate)),
        "stock": stock,
        "cut_kernel": lambda x, kernel: stock(x, kernel[rows.cut(), columns.cut()], rates),
        "submaps": lambda x, kernel: over_submaps(x, kernel, (rate, rate), stock),
    }


def step_of(convolve: Convolve) -> Any:
    """The forward pass and both gradients, as one graph."""

    @tf.function(autograph=False)
    def step(x: Any, kernel: Any, direction: Any) -> Any:
        with tf.GradientTape() as tape:
            tape.watch([x, kernel])
            y = convolve(x, kernel)
        return tape.gradient(y, [x, kernel], output_gradients=direction)

    return step


if __name__ == "__main__":
    main()
