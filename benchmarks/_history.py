"""A made-up history of a search: what a study folder holds after a number of trials, without training one.

`python -m benchmarks._history FOLDER [TRIALS]` writes one to look at.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from datasets.formats import open_dataset
from deeplab import Architecture
from search.oracle.schedule import Bracket, Schedule, make_schedule
from search.study.columns import TRIAL_COLUMNS, epoch_columns, metric_names
from search.study.config import StudyConfig
from search.study.folder import Study
from search.study.ids import BASELINE, Place
from search.study.reading import parse_config
from search.system.csv_files import write_csv
from search.system.files import write_atomically
from search.system.toml import to_toml
from search.trial.pictures import side_by_side
from search.trial.validation import BestEpoch, Validation, extreme_images, fixed_images, write_best_epoch

SPACE: dict[str, Any] = {
    "encoder": "MobileNetV2",
    "encoder_weights": "none",
    "aspp_filters": [32, 64, 128],
    "aspp_branches": {"min": 0, "max": 3},
    "aspp_rate": {"min": 1, "max": 6},
    "aspp_gap_2": {"min": 1, "max": 6},
    "aspp_pooling": [True, False],
    "decoder_depth": {"min": 0, "max": 3},
    "decoder_filters": [32, 64, 128],
    "learning_rate": {"min": 1e-4, "max": 1e-2, "sampling": "log"},
    "optimizer": ["adamw", "sgd"],
}
SEARCHED = tuple(name for name in SPACE if name not in ("encoder", "encoder_weights"))
BEGIN = datetime(2026, 3, 1, 8, 0, tzinfo=UTC)
FAILURES = (
    ("out_of_memory", "ResourceExhaustedError: OOM when allocating tensor with shape[8,256,128,128]"),
    ("diverged", "the loss is not finite"),
    ("failed", "ValueError: <script>alert('not escaped')</script> & \"quotes\""),
    ("lost", "its process ended: Abnormal termination"),
)


@dataclass
class _Configuration:
    number: int | None
    values: dict[str, Any]
    quality: float
    config_id: str


class History:
    """Writes a study folder with trials of a whole schedule, or the first of them."""

    def __init__(self, folder: Path, *, iterations: int = 1, max_epochs: int = 27, seed: int = 0, **data: Any) -> None:
        table = {
            "study": {"name": folder.name, "directory": str(folder.parent), "seed": seed},
            "data": {"format": "synthetic", "image_size": [96, 128], "train_images": 96, "val_images": 32, **data},
            "hyperband": {"max_epochs": max_epochs, "iterations": iterations},
            "space": SPACE,
            "workers": {"count": 4},
        }
        self.config: StudyConfig = parse_config(table, "history")
        self.dataset = open_dataset("synthetic", seed=seed, **self.config.data.options())
        self.study = Study(folder)
        self.schedule: Schedule = make_schedule(self.config.hyperband)
        self.metrics = metric_names(self.dataset.class_names)
        self._rng = np.random.default_rng(seed)
        self._clock = 0.0
        self.trials: list[dict[str, Any]] = []
        self.epochs: list[dict[str, Any]] = []

    def write(self, trials: int | None = None, *, running: int = 0, pictures: bool = True) -> Study:
        """Write the folder with the first `trials` trials (all by default), the last `running` of them in flight."""
        self.study.create(self.config, self.dataset)
        for row in self._run():
            self.trials.append(row)
            if trials is not None and len(self.trials) >= trials:
                break
        for row in self.trials[len(self.trials) - running :]:
            row |= {"status": "running", "score": None, "best_epoch": None, "finished": None, "error": None}
        columns = [*TRIAL_COLUMNS, *(f"hp:{name}" for name in SEARCHED), *(f"metric:{name}" for name in self.metrics)]
        write_csv(self.study.trials_csv, columns, self.trials, durable=False)
        write_csv(self.study.epochs_csv, epoch_columns(self.dataset.class_names), self.epochs, durable=False)
        if trials is None and not running:
            self.study.finished_file.touch()
        best = max(
            (row for row in self.trials if row["status"] == "completed"), key=lambda row: row["score"], default=None
        )
        if best is not None:
            self._write_best(best)
            for row in (best, self.trials[0]) if pictures else ():
                self._write_best_epoch(row)
        return self.study

    def _run(self) -> Iterator[dict[str, Any]]:
        yield self._trial(_Configuration(None, _tutorial(), 0.62, "baseline"), None, 0, (0, self.schedule.max_epochs))
        for bracket in self.schedule.brackets:
            alive = [self._draw(bracket.first_config + place) for place in range(bracket.rungs[0].size)]
            for rung, level in enumerate(bracket.rungs):
                rows = []
                for configuration in alive[: level.size]:
                    row = self._trial(configuration, bracket, rung, (level.first_epoch, level.last_epoch))
                    yield row
                    rows.append((row, configuration))
                done = [(row, one) for row, one in rows if row["status"] == "completed"]
                alive = [one for _, one in sorted(done, key=lambda pair: -pair[0]["score"])]

    def _draw(self, number: int) -> _Configuration:
        rng = self._rng
        values: dict[str, Any] = {
            "aspp_filters": int(rng.choice([32, 64, 128])),
            "aspp_branches": int(rng.integers(0, 4)),
            "aspp_pooling": bool(rng.integers(0, 2)),
            "decoder_depth": int(rng.integers(0, 4)),
            "learning_rate": float(10 ** rng.uniform(-4, -2)),
            "optimizer": str(rng.choice(["adamw", "sgd"])),
        }
        if values["aspp_branches"] > 0:
            values["aspp_rate"] = int(rng.integers(1, 7))
        if values["aspp_branches"] > 1:
            values["aspp_gap_2"] = int(rng.integers(1, 7))
        if values["decoder_depth"] > 0:
            values["decoder_filters"] = int(rng.choice([32, 64, 128]))
        quality = 0.55 + 0.02 * values["decoder_depth"] + 0.015 * min(values["aspp_branches"], 2)
        quality += 0.06 - 0.05 * (math.log10(values["learning_rate"]) + 3) ** 2 + rng.normal(0, 0.01)
        return _Configuration(number, values, quality, f"{rng.integers(0, 16**8):08x}")

    def _trial(
        self, configuration: _Configuration, bracket: Bracket | None, rung: int, epochs: tuple[int, int]
    ) -> dict[str, Any]:
        number = configuration.number
        trial_id = BASELINE if number is None else Place(number, rung).trial_id
        fails = number is not None and self._rng.random() <= 0.04
        failure = FAILURES[int(self._rng.integers(len(FAILURES)))] if fails else None
        trained = list(range(epochs[0] + 1, epochs[1] + 1)) if failure is None else []
        rows = [self._epoch(trial_id, configuration, epoch) for epoch in trained]
        self.epochs += rows
        seconds = 5.0 + sum(row["seconds"] for row in rows)
        started, self._clock = self._clock, self._clock + seconds / 4
        best = max(rows, key=lambda row: row["val_mean_iou"], default=None)
        filters, depth = configuration.values["aspp_filters"], configuration.values["decoder_depth"]
        return {
            "trial_id": trial_id,
            "config_id": configuration.config_id,
            "parent_id": Place(number, rung - 1).trial_id if number is not None and rung else None,
            "iteration": bracket.iteration if bracket else None,
            "bracket": bracket.number if bracket else None,
            "rung": rung if bracket else None,
            "status": "completed" if failure is None else failure[0],
            "attempts": 1,
            "score": best and best["val_mean_iou"],
            "best_epoch": best and best["epoch"],
            "first_epoch": epochs[0] + 1,
            "last_epoch": epochs[1],
            "started": _time(started),
            "finished": _time(started + seconds),
            "train_seconds": round(seconds - 5, 3),
            "total_seconds": round(seconds, 3),
            "worker": "cpu0",
            "parameters": 400_000 + 9_000 * filters + 70_000 * depth,
            "macs": 10**8 + 3 * 10**6 * filters + 10**8 * depth,
            "error": failure and failure[1],
            **{f"hp:{name}": value for name, value in configuration.values.items()},
            **({f"metric:{name}": best[name] for name in self.metrics} if best else {}),
        }

    def _epoch(self, trial_id: str, configuration: _Configuration, epoch: int) -> dict[str, Any]:
        score = configuration.quality * (1 - math.exp(-epoch / 4)) + self._rng.normal(0, 0.004)
        classes = {f"iou_{name}": score + 0.1 * math.sin(place) for place, name in enumerate(self.dataset.class_names)}
        train = {"loss": 1.5 - score, "mean_iou": score + 0.02, "pixel_accuracy": score + 0.1, **classes}
        return {
            "trial_id": trial_id,
            "config_id": configuration.config_id,
            "epoch": epoch,
            "learning_rate": 1e-3 * (1 - (epoch - 1) / self.schedule.max_epochs) ** 0.9,
            "seconds": 12.0 + configuration.values["decoder_depth"],
            "images_per_second": 40.0,
            **train,
            **{f"val_{name}": value for name, value in train.items()},
            "val_mean_iou": score,
            "peak_memory_mb": 1200.0,
        }

    def _write_best(self, row: dict[str, Any]) -> None:
        rates = (
            [int(row["hp:aspp_rate"]) * step for step in range(1, 1 + int(row["hp:aspp_branches"]))]
            if row.get("hp:aspp_rate")
            else []
        )
        architecture = Architecture(encoder="MobileNetV2", aspp_rates=tuple(rates), aspp_filters=row["hp:aspp_filters"])
        result = {"trial_id": row["trial_id"], "config_id": row["config_id"], "val_mean_iou": row["score"]}
        result |= {name: row[name] for name in ("best_epoch", "parameters", "macs")}
        recipe = {"optimizer": "adamw", "learning_rate": row["hp:learning_rate"], "batch_size": 8}
        table = {"result": result, "architecture": architecture.model_dump(mode="json"), "recipe": recipe}
        write_atomically(self.study.best_file, to_toml(table))

    def _write_best_epoch(self, row: dict[str, Any]) -> None:
        """The confusion of each validation image, with the trial's score, and its pictures."""
        images, ignore = self.dataset.length("val"), self.dataset.ignore_index
        masks = [self.dataset.read("val", index) for index in range(images)]
        count = len(self.dataset.class_names)
        rng = np.random.default_rng(len(row["trial_id"]))
        wrong = [rng.random(sample.mask.shape) > row["score"] + rng.normal(0, 0.1) for sample in masks]
        guesses = [
            np.where(bad, (sample.mask + 1) % count, sample.mask).astype(np.uint8)
            for bad, sample in zip(wrong, masks, strict=True)
        ]
        matrices = np.zeros((images, count, count), np.int64)
        for matrix, sample, guess in zip(matrices, masks, guesses, strict=True):
            np.add.at(matrix, (sample.mask[sample.mask != ignore], guess[sample.mask != ignore]), 1)
        hits = np.diagonal(matrices, axis1=1, axis2=2)
        validation = Validation(0.5, matrices.sum(axis=0), hits, matrices.sum(axis=2), matrices.sum(axis=1))
        shown = {*fixed_images(images), *extreme_images(validation)[0], *extreme_images(validation)[1]}
        pictures = {
            index: side_by_side(masks[index].image, masks[index].mask, guesses[index], ignore) for index in shown
        }
        folder = self.study.trial(row["trial_id"]) / "best"
        write_best_epoch(folder, int(row["best_epoch"]), BestEpoch(validation, pictures))


def _tutorial() -> dict[str, Any]:
    values = {"aspp_filters": 256, "aspp_branches": 3, "aspp_rate": 6, "aspp_gap_2": 6, "aspp_pooling": True}
    return {**values, "decoder_depth": 2, "decoder_filters": 256, "learning_rate": 1e-3, "optimizer": "adamw"}


def _time(seconds: float) -> str:
    return (BEGIN + timedelta(seconds=seconds)).isoformat(timespec="seconds")


if __name__ == "__main__":
    wanted = int(sys.argv[2]) if len(sys.argv) > 2 else None
    History(Path(sys.argv[1]), iterations=1 if wanted is None else math.ceil(wanted / 70)).write(wanted)
