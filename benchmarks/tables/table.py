"""A table of trained configurations in one file: what was trained, and the scores after every epoch."""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras_tuner
import numpy as np

from benchmarks.tables.plan import IMAGE_SIZE, REPEATS, SPACE, Plan
from recipe import Recipe
from search.study.objective import objective_of
from search.system.files import write_atomically
from space import Space

SCENES = Path(__file__).with_name("scenes.json.gz")
# The series of a training in the file of results -> its name in the table.
SERIES = {"scores": "val", "test": "test", "averaged_scores": "averaged_val", "averaged_test": "averaged_test"}
DECIMALS = 4
# Epochs at the end whose mean on test scenes says how good a configuration is.
FINAL_EPOCHS = 3
OBJECTIVE = objective_of("val_mean_iou")


@dataclass(frozen=True)
class Table:
    """Every configuration with the mean IoU after each epoch, `[configurations, seeds, epochs]`.

    Attributes:
        recorded: on which machine, and with what.
        space: as in a study file.
        values: KerasTuner's values of each configuration.
        parameters, macs: of each network.
        val, test: by the weights, on validation and test scenes.
        averaged_val, averaged_test: by the running average of the weights, as `ema = true` keeps it.
        seconds: of each training, `[configurations, seeds]`: its share of the group that was trained at once.
    """

    recorded: str
    space: dict[str, Any]
    values: list[dict[str, Any]]
    parameters: list[int]
    macs: list[int]
    val: np.ndarray
    test: np.ndarray
    averaged_val: np.ndarray
    averaged_test: np.ndarray
    seconds: np.ndarray

    def final_test(self) -> np.ndarray:
        """How good each configuration is: mean IoU on test scenes, over the seeds and the last `FINAL_EPOCHS`."""
        means: np.ndarray = self.test[:, :, -FINAL_EPOCHS:].mean(axis=(1, 2))
        return means

    def hyperparameters(self) -> keras_tuner.HyperParameters:
        """The space, as samplers take it."""
        return Space.parse(self.space, recipe=Recipe(), image_size=IMAGE_SIZE).hyperparameters()


def pack(plan: Plan, rows: Mapping[tuple[int, int], Mapping[str, Any]], recorded: str) -> Table:
    """The table of a plan whose trainings are all done.

    Raises:
        KeyError: a training is missing.
    """

    def series(name: str) -> np.ndarray:
        return np.array([[rows[each.number, seed][name] for seed in range(REPEATS)] for each in plan.configurations])

    return Table(
        recorded,
        SPACE,
        [each.values for each in plan.configurations],
        [each.parameters for each in plan.configurations],
        [each.macs for each in plan.configurations],
        **{name: series(recorded_as).round(DECIMALS) for recorded_as, name in SERIES.items()},
        seconds=series("seconds").sum(axis=2).round(2),
    )


def write_table(table: Table, file: Path) -> None:
    """Write a table; equal tables give equal files."""
    content = {name: _plain(value) for name, value in vars(table).items()}
    # Without a time, which gzip would else put into the file.
    write_atomically(file, gzip.compress(json.dumps(content, separators=(",", ":")).encode(), mtime=0))


def read_table(file: Path = SCENES) -> Table:
    """Read what `write_table` wrote."""
    content: dict[str, Any] = json.loads(gzip.decompress(file.read_bytes()))
    content |= {name: np.array(content[name]) for name in (*SERIES.values(), "seconds")}
    return Table(**content)


def _plain(value: Any) -> Any:
    return value.tolist() if isinstance(value, np.ndarray) else value
