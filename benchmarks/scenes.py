"""What the synthetic scenes demand of a network: mean IoU against dilation rates and decoder depth.

Trains networks that differ in a single choice on the same scenes, in turns. A data set for trying out searches is
useful only if the architecture matters on it. Three networks and one seed take about 5 minutes on 2 cores; `--full`
trains seven networks from two seeds.
"""

from __future__ import annotations

import statistics
from itertools import product
from typing import Any

from benchmarks._measure import arguments, console, report, with_progress
from datasets import Dataset
from datasets.cores import usable_cores
from datasets.formats import open_dataset
from deeplab import Architecture
from recipe import Recipe
from search.executors.devices import list_gpus, share_devices
from search.trial.device import prepare_device

IMAGE_SIZE = (96, 128)
EPOCHS, IMAGES = 25, 192
# An encoder with a small receptive field, so that context has to come from the head.
NETWORK: dict[str, Any] = {
    "encoder": "MobileNetV2",
    "output_stride": 8,
    "aspp_tap": "stage3",
    "aspp_filters": 64,
    "aspp_rates": (2, 4, 6),
    "aspp_pooling": False,
    "decoder_filters": 64,
}
VARIANTS: dict[str, dict[str, Any]] = {
    "rates 2, 4, 6; depth 2": {},
    "no dilated branch": {"aspp_rates": ()},
    "depth 0": {"decoder_depth": 0},
    "rate 1": {"aspp_rates": (1,)},
    "rate 3": {"aspp_rates": (3,)},
    "rate 6": {"aspp_rates": (6,)},
    "depth 1": {"decoder_depth": 1},
}
SHORT = 3


def main() -> None:
    """Train, and print the score of each network; the others are compared with the first."""
    options = arguments(__doc__ or "")
    epochs, images = (1, 8) if options.smoke else (EPOCHS, IMAGES)
    (device,) = share_devices(1, list_gpus()[:1], usable_cores())
    prepare_device(device)
    data = open_dataset("synthetic", image_size=IMAGE_SIZE, seed=1, train_images=images, val_images=max(1, images // 4))
    names = list(VARIANTS) if options.full else list(VARIANTS)[:SHORT]
    found: dict[str, list[dict[str, float]]] = {name: [] for name in names}
    for seed, name in with_progress("scenes", product(range(2 if options.full else 1), names)):
        found[name].append(train(data, {**NETWORK, **VARIANTS[name]}, epochs, seed))
        console.print(f"{name}, seed {seed}: mean IoU {found[name][-1]['mean_iou']:.3f}")
    medians = {name: median_row(rows) for name, rows in found.items()}
    reference = medians[names[0]]["mean_iou"]
    rows = [{"network": name, "gain": row["mean_iou"] - reference, **row} for name, row in medians.items()]
    report("scenes", rows, epochs=epochs, images=images)


def train(dataset: Dataset, network: dict[str, Any], epochs: int, seed: int) -> dict[str, float]:
    """Mean IoU and the IoU of each class on the validation scenes after the last epoch."""
    from search.trial.training import Trainer

    trainer = Trainer(
        Architecture(**network),
        Recipe(learning_rate=3e-3),
        dataset,
        IMAGE_SIZE,
        max_epochs=epochs,
        encoder_weights=None,
        seed=seed,
    )
    for epoch in range(1, epochs + 1):
        row = trainer.train_epoch(epoch).row
    names = ["mean_iou", *(f"iou_{label}" for label in dataset.class_names)]
    return {name: row[f"val_{name}"] for name in names}


def median_row(rows: list[dict[str, float]]) -> dict[str, float]:
    """The median over the seeds, column by column."""
    return {name: statistics.median(row[name] for row in rows) for name in rows[0]}


if __name__ == "__main__":
    main()
