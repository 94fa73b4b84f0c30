"""Training one configuration, epoch by epoch, in this process."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np

from datasets import Dataset
from datasets.colors import as_rgb
from datasets.pipeline import Pipeline
from deeplab import Architecture, build_model, encoder_layers
from deeplab.archive import check_arrays
from deeplab.metrics import ConfusionMatrix, scores
from deeplab.optimizers import averaged_weights
from recipe import Recipe, compile_model
from search.trial.device import peak_memory_mb, precision_policy
from search.trial.normalization import adapt_batch_normalization
from search.trial.pictures import side_by_side
from search.trial.steps import Progress, StepProgress
from search.trial.validation import BestEpoch, UInt8Array, Validation, extreme_images, fixed_images
from search.trial.validators import make_validator
from search.trial.weights import read_weights


@dataclass(frozen=True)
class EpochResult:
    """The outcome of one epoch.

    Attributes:
        row: `loss`, metrics, `val_loss`, `val_...` and rates.
        validation: after it.
        predictions: class ids `[H, W]` of the validation images that may be shown, by their index.
        diverged: a loss is not finite.
    """

    row: dict[str, Any]
    validation: Validation
    predictions: Mapping[int, UInt8Array]
    diverged: bool


class Trainer:
    """A network with its data and optimizer; trains any epoch of its `max_epochs` given the weights before it.

    An epoch depends only on the weights before it, the seed and its number.

    Args:
        architecture: the network.
        recipe: the training choices.
        dataset: with splits `train` and `val`.
        image_size: (height, width) to train at.
        max_epochs: of the study: the learning rate decays over all of them, at every rung.
        encoder_weights: see `deeplab.build_model`.
        class_pixels: pixels of each class in the training split, for the loss that weights classes by them.
        seed: of the initial weights, the order of the images and their augmentation.
        progress: called after each step with the epoch, the phase (`train` or `validate`), the steps that are done, the
            steps of the phase, and the images per second.
    """

    def __init__(
        self,
        architecture: Architecture,
        recipe: Recipe,
        dataset: Dataset,
        image_size: tuple[int, int],
        *,
        max_epochs: int,
        encoder_weights: str | Path | None,
        seed: int,
        class_pixels: Sequence[int] | None = None,
        progress: Progress = lambda *_: None,
    ) -> None:
        # Before the model is built, because its initial weights are drawn then.
        keras.utils.set_random_seed(seed)
        keras.config.set_dtype_policy(precision_policy(recipe.precision))
        self.recipe = recipe
        self.dataset = dataset
        pipeline = partial(Pipeline, dataset, batch_size=recipe.batch_size, seed=seed)
        self.train_data = pipeline("train", training=True, augment=recipe.augment)
        self.val_data = pipeline("val", training=False)
        self.model = build_model(
            architecture,
            image_size,
            dataset.classes,
            encoder_weights=encoder_weights,
            output="logits",
            atrous="fast",
            channels=dataset.channels,
        )
        adapt_batch_normalization(self.model, self.train_data.steps)
        self._report = progress
        self._seed = seed
        self._frozen = False
        compile_model(
            self.model,
            recipe,
            classes=dataset.classes,
            ignore_index=dataset.ignore_index,
            total_steps=self.train_data.steps * max_epochs,
            steps_per_epoch=self.train_data.steps,
            class_pixels=class_pixels,
        )
        self._validator = make_validator(self.model, dataset, self.val_data, progress)

    def train_epoch(self, epoch: int) -> EpochResult:
        """Train epoch `epoch` (from 1) and validate after it."""
        self._freeze_encoder(epoch <= self.recipe.freeze_encoder_epochs)
        self._seed_layers(epoch)
        # At the first step of the epoch; it decays with every step.
        rate = float(keras.ops.convert_to_numpy(self.model.optimizer.learning_rate))
        callback = StepProgress(self._report, epoch, "train", self.train_data.steps, self.recipe.batch_size)
        started = time.perf_counter()
        # The order of the images is the pipeline's, which repeats exactly.
        history = self.model.fit(self.train_data.epoch(epoch), shuffle=False, verbose=0, callbacks=[callback])
        seconds = time.perf_counter() - started
        train = {"loss": history.history["loss"][-1], **self._scores()}
        with self.averaged():
            validated = self._validator.validate(epoch)
        validation = validated.result()
        row = {
            "epoch": epoch,
            "learning_rate": rate,
            "seconds": round(time.perf_counter() - started, 3),
            "images_per_second": round(self.train_data.steps * self.recipe.batch_size / seconds, 3),
            **train,
            "val_loss": validation.loss,
            **{f"val_{name}": value for name, value in self._named(validation.matrix).items()},
            "peak_memory_mb": round(peak_memory_mb(), 1),
        }
        finite = math.isfinite(row["loss"]) and math.isfinite(row["val_loss"])
        return EpochResult(row, validation, validated.predictions, diverged=not finite)

    def picture(self, result: EpochResult) -> BestEpoch:
        """Add pictures: of the same images for every trial, and of the images with the best and the worst scores."""
        best, worst = extreme_images(result.validation)
        pictures = {}
        for index in dict.fromkeys([*fixed_images(self.val_data.images), *best, *worst]):
            image, mask = self.val_data.read(index)
            pictures[index] = side_by_side(as_rgb(image), mask, result.predictions[index], self.dataset.ignore_index)
        return BestEpoch(result.validation, pictures)

    @contextmanager
    def averaged(self) -> Iterator[keras.Model]:
        """The network with the weights that are validated and exported: averaged ones, where the recipe has `ema`."""
        with averaged_weights(self.model):
            yield self.model

    def restore(self, weights: Path) -> None:
        """Load the weights and the optimizer's state, including its step count, from a checkpoint."""
        with h5py.File(weights) as file:
            check_arrays(file)
        read_weights(self.model, weights)

    def _scores(self) -> dict[str, float]:
        confusion = next(metric for metric in _all_metrics(self.model) if isinstance(metric, ConfusionMatrix))
        return self._named(confusion.matrix())

    def _named(self, matrix: np.ndarray) -> dict[str, float]:
        return scores(matrix, self.dataset.class_names)

    def _seed_layers(self, epoch: int) -> None:
        """Seed dropout and other random layers each epoch, as checkpoints do not hold the state of their generators."""
        weights = {id(variable) for variable in self.model.weights}
        # The states of random generators are variables, but not weights.
        states = [variable for variable in self.model.variables if id(variable) not in weights]
        for index, state in enumerate(states):
            # 31 bits, because some backends keep seeds in signed integers.
            drawn = np.random.SeedSequence([self._seed, epoch, index]).generate_state(2) >> 1
            state.assign(drawn.astype(state.dtype))

    def _freeze_encoder(self, frozen: bool) -> None:
        if frozen == self._frozen:
            return
        for layer in encoder_layers(self.model):
            layer.trainable = not frozen
        self._frozen = frozen
        # Keras reads `trainable` when it traces the step; the optimizer keeps its state.
        self.model.make_train_function(force=True)


def _all_metrics(model: keras.Model) -> list[Any]:
    # Keras wraps the metrics that a model is compiled with into one.
    return [inner for metric in model.metrics for inner in getattr(metric, "metrics", [metric])]
