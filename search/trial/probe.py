"""How fast a network trains here: a few steps of it, timed in this process."""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass

from datasets import Dataset
from deeplab import Architecture
from recipe import Recipe

# Training steps that are timed after the first.
STEPS = 3


@dataclass(frozen=True)
class Probe:
    """What a trial takes.

    Attributes:
        start_seconds: until the end of its first step.
        images_per_second: in training, after that.
    """

    start_seconds: float
    images_per_second: float

    def epoch_seconds(self, dataset: Dataset) -> float:
        """The time of an epoch over a data set."""
        # Validation is a forward pass, about a third of a training step.
        images = dataset.length("train") + dataset.length("val") / 3
        return images / self.images_per_second


def time_steps(architecture: Architecture, recipe: Recipe, dataset: Dataset, image_size: tuple[int, int]) -> Probe:
    """Train a few steps of one network from random weights.

    Args:
        architecture: the network.
        recipe: the training choices.
        dataset: with splits `train` and `val`.
        image_size: (height, width) to train at.
    """
    from search.trial.training import Trainer

    began = time.perf_counter()
    trainer = Trainer(architecture, recipe, dataset, image_size, max_epochs=1, encoder_weights=None, seed=0)
    images, masks = next(iter(trainer.train_data.epoch(1)))
    trainer.model.train_on_batch(images, masks)
    start = time.perf_counter() - began
    steps = []
    for _ in range(STEPS):
        before = time.perf_counter()
        trainer.model.train_on_batch(images, masks)
        steps.append(time.perf_counter() - before)
    return Probe(start, len(images) / statistics.median(steps))
