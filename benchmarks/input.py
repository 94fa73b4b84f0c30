"""Images per second of the input pipeline alone: decoded in every epoch, against decoded once per study.

For comparison, the rate at which the fastest network of the `step` benchmark consumes them: input limits training if it
is slower.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from benchmarks._measure import arguments, in_turns, report
from benchmarks.step import BATCH, NETWORKS, TINY, make
from datasets import Dataset
from datasets.cache import build_cache
from datasets.formats import open_dataset
from datasets.pipeline import Pipeline

# Height and width of the image files, typical of cameras and aerial tiles.
STORED = (480, 640)


def main() -> None:
    """Measure each size and augmentation; print images per second."""
    options = arguments(__doc__ or "")
    sizes = [(32, 32)] if options.smoke else [(128, 128), (256, 256)] if options.full else [(128, 128)]
    images = 4 if options.smoke else 96
    with tempfile.TemporaryDirectory() as name:
        write_images(Path(name) / "data", images)
        rows = [row for size in sizes for row in measure(Path(name), size, smoke=options.smoke)]
    report("input", rows, least_against_the_network=min(row["cached/network"] for row in rows))


def measure(folder: Path, size: tuple[int, int], *, smoke: bool) -> Iterator[dict[str, Any]]:
    """One row per augmentation."""
    source = open_dataset("folder", path=folder / "data", image_size=size)
    cached = build_cache(folder / f"cache-{size[0]}", source, 1e9)
    network = network_rate(size, smoke=smoke)
    for augment in ("none", "flip") if smoke else ("none", "flip", "standard", "strong"):
        pipelines = {name: pipeline(data, augment) for name, data in (("decoded", source), ("cached", cached))}
        epochs = {name: lambda p=p: [None for _ in p.epoch(1)] for name, p in pipelines.items()}
        rates = {
            name: pipelines[name].steps * pipelines[name].batch_size / seconds
            for name, seconds in in_turns(epochs, 1 if smoke else 3).items()
        }
        yield {
            "images": f"{size[0]}x{size[1]}",
            "augmentation": augment,
            **{f"{name}_images_a_second": round(rate) for name, rate in rates.items()},
            "network_images_a_second": round(network, 1),
            "cached/network": round(rates["cached"] / network, 1),
        }


def pipeline(data: Dataset, augment: str) -> Pipeline:
    """The pipeline of training batches."""
    batch = min(BATCH, data.length("train"))
    return Pipeline(data, "train", batch_size=batch, training=True, augment=augment)


def network_rate(size: tuple[int, int], *, smoke: bool) -> float:
    """Images per second in training steps of the smallest network."""
    model = make(TINY if smoke else NETWORKS["small"], size, "ours")
    images, masks = np.zeros((BATCH, *size, 3), np.uint8), np.zeros((BATCH, *size), np.uint8)
    return BATCH / in_turns({"step": lambda: model.train_on_batch(images, masks)}, 1 if smoke else 3)["step"]


def write_images(folder: Path, count: int) -> None:
    """JPEGs and masks of noise in 16x16 blocks, which decode as slowly as photographs."""
    rng = np.random.default_rng(0)
    for split, images in (("train", count), ("val", 1)):
        for kind in ("images", "masks"):
            (folder / split / kind).mkdir(parents=True)
        for index in range(images):
            blocks = rng.integers(0, 256, (STORED[0] // 16, STORED[1] // 16, 3), np.uint8)
            image = Image.fromarray(blocks).resize(STORED[::-1], Image.Resampling.BICUBIC)
            image.save(folder / split / "images" / f"{index}.jpg", quality=90)
            Image.fromarray(blocks[..., 0] // 128).resize(STORED[::-1], Image.Resampling.NEAREST).save(
                folder / split / "masks" / f"{index}.png"
            )
    (folder / "classes.json").write_text('{"classes": ["low", "high", "other"]}', encoding="utf-8")


if __name__ == "__main__":
    main()
