"""What the driver and the process of a trial exchange, as plain data."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from search.study.folder import Study
from search.study.objective import Objective
from search.study.scoring import ScoreRule

Status = Literal["completed", "diverged", "out_of_memory", "failed", "interrupted", "lost"]
# How an attempt ended: as the trial did, or because its worker could not work, which is not the trial's fault.
Ending = Status | Literal["unusable"]


@dataclass(frozen=True)
class Device:
    """What one worker owns: a GPU (its index or UUID for `CUDA_VISIBLE_DEVICES`) or a share of the cores."""

    worker: str
    gpu: str | None
    threads: int


@dataclass(frozen=True)
class TrialSpec:
    """All that a process needs to run one trial.

    Attributes:
        study: the study folder.
        trial_id: names the trial's folder.
        run: the configuration's run in TensorBoard.
        parent_id: the trial whose last checkpoint this one continues from, or None.
        first_epoch: epochs that the parent has completed.
        last_epoch: the epoch to stop after.
        max_epochs: of the study; the learning rate decays over these.
        architecture, recipe: fields of `Architecture` and `Recipe`.
        encoder_weights: see `deeplab.build_model`.
        data_format, data: arguments of `datasets.open_dataset`.
        images: the number of images in each split when the search started.
        cache: folder of the images that have been decoded (see `datasets.cache`).
        data_seed: of a procedural data set.
        seed: the configuration's own.
        objective: what the score is made of.
        score: how.
        scores_test: whether the test split is predicted when the trial has been trained.
        columns: of `epochs.csv`.
        class_names: in id order.
        class_pixels: of the training split, in the same order, where the loss weights classes by them.
        device: what the process may use.
    """

    study: str
    trial_id: str
    config_id: str
    run: str
    parent_id: str | None
    first_epoch: int
    last_epoch: int
    max_epochs: int
    architecture: dict[str, Any]
    recipe: dict[str, Any]
    encoder_weights: str | None
    data_format: str
    data: dict[str, Any]
    images: dict[str, int]
    cache: str
    data_seed: int
    seed: int
    objective: Objective
    columns: tuple[str, ...]
    class_names: tuple[str, ...]
    device: Device
    class_pixels: tuple[int, ...] | None = None
    score: ScoreRule = "best"
    scores_test: bool = False

    @property
    def folder(self) -> Path:
        """The trial's folder."""
        return Study(Path(self.study)).trial(self.trial_id)


@dataclass(frozen=True)
class Outcome:
    """How an attempt at a trial ended."""

    status: Ending
    rows: list[dict[str, Any]] = field(default_factory=list)
    best_epoch: int | None = None
    score: float | None = None
    train_seconds: float = 0.0
    total_seconds: float = 0.0
    error: str | None = None
