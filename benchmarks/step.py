"""A forward pass and a complete training step: stock Keras layers against ours, for the tutorial's network and others.

`flat` is the stock network with every dilation rate set to 1: the cost of a step if dilation were free.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import keras
import numpy as np

from benchmarks._measure import arguments, in_turns, report, with_progress
from deeplab import TUTORIAL, Architecture, build_model
from recipe import Recipe, compile_model

CLASSES, BATCH = 11, 8
NETWORKS: dict[str, Architecture] = {
    "tutorial": TUTORIAL,
    "ResNet50, output stride 8": Architecture(output_stride=8),
    "MobileNetV2, separable": Architecture(encoder="MobileNetV2", aspp_separable=True, decoder_separable=True),
    "EfficientNetB0, output stride 8": Architecture(encoder="EfficientNetB0", output_stride=8, aspp_filters=128),
    "small": Architecture(encoder="MobileNetV2", aspp_rates=(2, 4, 6), aspp_filters=64, decoder_filters=64),
}
TINY = Architecture(
    encoder="MobileNetV2", output_stride=8, aspp_tap="block_5_add", aspp_rates=(2,), aspp_filters=8, decoder_filters=8
)


def main() -> None:
    """Measure each network at each size; print milliseconds and ratios."""
    options = arguments(__doc__ or "")
    clock = time.process_time if options.processor_time else time.perf_counter
    rows = []
    for name, architecture, size in with_progress("step", grid(options.full, options.smoke)):
        repeats = 1 if options.smoke else 5 if options.full else 3
        rows.append(compare(name, architecture, size, partial(in_turns, repeats=repeats, clock=clock)))
    report("step", rows, worst_against_stock=max(row["ours/stock"] for row in rows))


def grid(full: bool, smoke: bool) -> Iterator[tuple[str, Architecture, tuple[int, int]]]:
    """(name, network, image size)."""
    if smoke:
        yield "tiny", TINY, (32, 32)
        return
    sizes = [(96, 128), (160, 160), (256, 256)] if full else [(96, 128)]
    for name, architecture in NETWORKS.items():
        if full or name in ("tutorial", "MobileNetV2, separable"):
            yield from ((name, architecture, size) for size in sizes)


def compare(
    name: str, architecture: Architecture, size: tuple[int, int], measure: Callable[..., dict[str, float]]
) -> dict[str, Any]:
    """Forward pass and complete step of the three networks, at one size."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (BATCH, *size, 3)).astype(np.uint8)
    masks = rng.integers(0, CLASSES, (BATCH, *size)).astype(np.uint8)
    models = {side: make(architecture, size, side) for side in ("ours", "stock", "flat")}
    forward = measure({side: partial(model.predict_on_batch, images) for side, model in models.items()})
    step = measure({side: partial(model.train_on_batch, images, masks) for side, model in models.items()})
    keras.backend.clear_session()
    return {
        "network": name,
        "images": f"{size[0]}x{size[1]}",
        **{f"{side}_forward_ms": round(1e3 * seconds, 1) for side, seconds in forward.items()},
        **{f"{side}_step_ms": round(1e3 * seconds, 1) for side, seconds in step.items()},
        "ours/stock": round(step["ours"] / step["stock"], 3),
        "ours/flat": round(step["ours"] / step["flat"], 3),
    }


def make(architecture: Architecture, size: tuple[int, int], side: str) -> keras.Model:
    """One side's network, compiled."""
    atrous: Any = "fast" if side == "ours" else "stock"
    model = build_model(architecture, size, CLASSES, output="logits", atrous=atrous)
    if side == "flat":
        flatten(model)
    compile_model(model, Recipe(), classes=CLASSES, ignore_index=255, total_steps=1000)
    return model


def flatten(model: keras.Model) -> None:
    """Set every dilation rate to 1; the rates are read when a step is traced."""
    for layer in model.layers:
        if hasattr(layer, "dilation_rate") and max(layer.dilation_rate) > 1:
            if layer.padding != "same":
                raise AssertionError(f"{layer.name}: without dilation its map would have another size")
            layer.dilation_rate = (1, 1)


if __name__ == "__main__":
    main()
