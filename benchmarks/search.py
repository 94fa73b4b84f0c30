"""The same small Hyperband study with stock KerasTuner and `deeplab-search run`: time, memory, and sources of gains.

There are three sides: stock KerasTuner with stock Keras layers; stock KerasTuner with our layers; ours. The difference
between the first two comes from the layers, that between the last two from the driver: trials that start fast, in fresh
processes. The length of an epoch determines how much each of them matters. All sides train in the same way, with one
worker; scores differ because of randomness.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks._measure import arguments, report, with_progress
from benchmarks._searches import our_search, stock_search

SETTINGS: dict[str, Any] = {
    "seed": 1,
    "image_size": [96, 128],
    "data": {"train_images": 32, "val_images": 8, "test_images": 1},
    "recipe": {"batch_size": 8, "augment": "none"},
    "max_epochs": 3,
    "factor": 3,
    "space": {
        # The dilation rates are the tutorial's.
        "encoder": "MobileNetV2",
        "learning_rate": {"min": 1e-3, "max": 3e-3, "sampling": "log"},
    },
}
# The tutorial's own encoder, and epochs of 30 steps: about half an hour on two cores.
FULL: dict[str, Any] = {"data": {"train_images": 240, "val_images": 24, "test_images": 1}}
SMOKE: dict[str, Any] = {
    "image_size": [32, 32],
    "data": {"train_images": 2, "val_images": 1, "test_images": 1},
    "recipe": {"batch_size": 2, "augment": "none"},
    "max_epochs": 1,
    "space": {
        "encoder": "MobileNetV2",
        "output_stride": 8,
        "aspp_tap": "block_5_add",
        "aspp_branches": 1,
        "aspp_rate": 2,
        "aspp_filters": [8, 16],
        "decoder_filters": 8,
    },
}


def main() -> None:
    """Run the searches one after the other; print the results and the ratios."""
    options = arguments(__doc__ or "")
    settings = SETTINGS | (FULL if options.full else SMOKE if options.smoke else {})
    if options.full:
        settings["space"] = {**settings["space"], "encoder": "ResNet50"}
    sides: dict[str, Callable[[Path], dict[str, Any]]] = {
        "KerasTuner, stock layers": lambda folder: stock_search({**settings, "atrous": "stock"}, folder),
        "KerasTuner, our layers": lambda folder: stock_search({**settings, "atrous": "fast"}, folder),
        "deeplab-search": lambda folder: our_search(settings, folder),
    }
    with tempfile.TemporaryDirectory() as folder:
        ran = {name: sides[name](Path(folder) / name) for name in with_progress("search", sides)}
    rows = [row(name, found) for name, found in ran.items()]
    stock, layers, ours = (found["seconds"] for found in ran.values())
    if len({(found["trials"], found["epochs"]) for found in ran.values()}) != 1:
        raise AssertionError(f"the searches differ in trials or epochs: {ran}")
    report("search", rows, times_faster=stock / ours, by_layers=stock / layers, by_driver=layers / ours)


def row(name: str, found: dict[str, Any]) -> dict[str, Any]:
    """One search's row of the table."""
    return {
        "search": name,
        "trials": found["trials"],
        "epochs": found["epochs"],
        "seconds": round(found["seconds"], 1),
        "in_steps_s": round(found["in_steps"], 1),
        "share_in_steps": round(found["in_steps"] / found["seconds"], 2),
        "s_a_trial_outside": round((found["seconds"] - found["in_steps"]) / found["trials"], 1),
        "best_val_mean_iou": round(found["best"], 3),
        "peak_memory_mb": round(found["peak_mb"]),
    }


if __name__ == "__main__":
    main()
