"""What the embedded scenes ask of a network: mean IoU against dilation rates and decoder depth.

Trains networks that differ in one choice alone on the same scenes, from the same seeds and interleaved, and prints what
each class gains. A data set for trying out architecture searches is worth something only if architecture matters on it.

    python benchmarks/scenes.py            three networks, one seed: about 5 minutes on 2 cores
    python benchmarks/scenes.py --full     seven networks, two seeds: about 25 minutes
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from typing import Any

from rich.console import Console
from rich.table import Table

from datasets import Dataset, open_dataset
from datasets.dataset import usable_cores
from deeplab import Architecture
from recipe import Recipe
from search.executors.local import list_gpus, share_devices
from search.trial import prepare_device

IMAGE_SIZE = (96, 128)
# An encoder that sees little by itself, so that context has to come from the head.
NETWORK = Architecture(
    encoder="MobileNetV2",
    output_stride=8,
    aspp_tap="stage3",
    aspp_filters=64,
    aspp_rates=(2, 4, 6),
    aspp_pooling=False,
    decoder_filters=64,
)
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
    """Train, print a table to standard error and JSON to standard output."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--full", action="store_true", help="all networks, two seeds")
    parser.add_argument("--epochs", type=int, default=25)
    parser.add_argument("--images", type=int, default=192, help="scenes to train on")
    arguments = parser.parse_args()
    (device,) = share_devices(1, list_gpus()[:1], usable_cores())
    prepare_device(device)
    dataset = open_dataset(
        "synthetic", image_size=IMAGE_SIZE, seed=1, train_images=arguments.images, val_images=arguments.images // 4
    )
    names = list(VARIANTS) if arguments.full else list(VARIANTS)[:SHORT]
    rows: dict[str, list[dict[str, float]]] = {name: [] for name in names}
    for seed in range(2 if arguments.full else 1):
        for name in names:
            rows[name].append(train(dataset, VARIANTS[name], arguments.epochs, seed))
            print(f"{name}, seed {seed}: mean IoU {rows[name][-1]['val_mean_iou']:.3f}", file=sys.stderr)
    medians = {name: median_row(found) for name, found in rows.items()}
    Console(stderr=True).print(table(medians, dataset.class_names))
    print(json.dumps({"epochs": arguments.epochs, "images": arguments.images, "networks": rows}, indent=2))


def train(dataset: Dataset, changes: dict[str, Any], epochs: int, seed: int) -> dict[str, float]:
    """Mean IoU and each class's IoU on the validation scenes after the last epoch."""
    from search.training import Trainer

    trainer = Trainer(
        Architecture(**{**NETWORK.model_dump(), **changes}),
        Recipe(learning_rate=3e-3),
        dataset,
        IMAGE_SIZE,
        max_epochs=epochs,
        encoder_weights=None,
        seed=seed,
    )
    for epoch in range(1, epochs + 1):
        row = trainer.train_epoch(epoch).row
    return {name: value for name, value in row.items() if name.startswith(("val_mean_iou", "val_iou"))}


def median_row(rows: list[dict[str, float]]) -> dict[str, float]:
    """The median over the seeds, column by column."""
    return {name: statistics.median(row[name] for row in rows) for name in rows[0]}


def table(medians: dict[str, dict[str, float]], class_names: tuple[str, ...]) -> Table:
    """A row a network; the first is what the others are compared with."""
    shown = Table("network", box=None, padding=(0, 2, 0, 0))
    for heading in ("mean IoU", "gain", *class_names):
        shown.add_column(heading, justify="right")
    reference = next(iter(medians.values()))["val_mean_iou"]
    for name, row in medians.items():
        mean = row["val_mean_iou"]
        classes = [f"{row[f'val_iou_{label}']:.2f}" for label in class_names]
        shown.add_row(name, f"{mean:.3f}", f"{mean - reference:+.3f}", *classes)
    return shown


if __name__ == "__main__":
    main()
