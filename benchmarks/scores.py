"""Do both searches find equally good networks? The same Hyperband study from several seeds, by stock KerasTuner and us.

Being faster must not cost accuracy. Both search the same space on the same images, with equal numbers of trials and
epochs; the difference of the best scores is compared with their variation from seed to seed.
"""

from __future__ import annotations

import math
import statistics
import tempfile
from pathlib import Path
from typing import Any

from benchmarks._measure import arguments, console, report, with_progress
from benchmarks._searches import our_search, stock_search
from benchmarks.search import SETTINGS, SMOKE

SCENES: dict[str, Any] = {
    "image_size": [64, 96],
    "data": {"train_images": 192, "val_images": 64, "test_images": 1},
    "space": {
        # The encoder has a small receptive field, so that these scenes make demands on the head.
        "encoder": "MobileNetV2",
        "output_stride": 8,
        "aspp_tap": "stage3",
        "aspp_pooling": False,
        "aspp_filters": [32, 64],
        "decoder_filters": [32, 64],
        "learning_rate": {"min": 1e-3, "max": 1e-2, "sampling": "log"},
    },
}


def main() -> None:
    """Search in turns, one seed after the other; print each side's scores and their difference."""
    options = arguments(__doc__ or "")
    settings = SETTINGS | (SMOKE if options.smoke else SCENES)
    seeds = range(1, 1 + (10 if options.full else 2 if options.smoke else 3))
    stock: list[dict[str, Any]] = []
    ours: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as name:
        for seed in with_progress("scores", seeds):
            stock.append(stock_search({**settings, "seed": seed, "atrous": "stock"}, Path(name) / f"stock-{seed}"))
            ours.append(our_search({**settings, "seed": seed}, Path(name) / f"ours-{seed}"))
            console.print(f"seed {seed} of {len(seeds)}: {stock[-1]['best']:.3f} stock, {ours[-1]['best']:.3f} ours")
    stock_row, our_row = row("KerasTuner, stock layers", stock), row("deeplab-search", ours)
    error = math.hypot(stock_row["deviation"], our_row["deviation"]) / math.sqrt(len(seeds))
    difference = our_row["mean"] - stock_row["mean"]
    report("scores", [stock_row, our_row], difference=difference, its_standard_error=error)


def row(side: str, searches: list[dict[str, Any]]) -> dict[str, Any]:
    """One side's row of the table: the best validation mean IoU of each search."""
    scores = [search["best"] for search in searches]
    return {
        "search": side,
        "searches": len(searches),
        "trials": sum(search["trials"] for search in searches),
        "epochs": sum(search["epochs"] for search in searches),
        "mean": round(statistics.mean(scores), 4),
        "deviation": round(statistics.stdev(scores), 4),
        "scores": " ".join(f"{score:.3f}" for score in scores),
    }


if __name__ == "__main__":
    main()
