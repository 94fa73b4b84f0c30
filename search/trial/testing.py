"""The test split: predicted once, by a network that nothing will be chosen from any more, at the images' own size."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from datasets import Dataset
from datasets.inference import predict_ids
from deeplab.scoring import confusion_of_ids
from search.trial.validation import Validation, counts_of_images, read_counts, write_counts

if TYPE_CHECKING:
    import keras

    from search.trial.steps import Progress

FILE = "test.npz"


def read_test(trial: Path) -> Validation | None:
    """What a trial's network achieved on the test split; None if it has not been scored, or the file is damaged."""
    return read_counts(trial / FILE)


def score_test(
    trial: Path, model: keras.Model, dataset: Dataset, report: Progress, epoch: int, is_stopped: Callable[[], bool]
) -> bool:
    """Predict every test image, and keep the pixels of each that are right, labelled and predicted, by class.

    Args:
        trial: folder of the trial, where the counts are written.
        model: inputs to logits, with the weights that stand for the trial.
        dataset: with its split `test`.
        report: of each image.
        epoch: of the weights.
        is_stopped: whether to stop before all images are predicted; nothing is kept then.

    Returns:
        Whether all images were predicted.
    """
    # Heavy, and whoever only reads what was found needs neither.
    import tensorflow as tf

    from search.trial.steps import StepProgress
    from search.trial.validators import probabilities_of

    images = dataset.length("test")
    progress = StepProgress(report, epoch, "test", images, 1)
    progress.start()
    takes = tf.TensorSpec((None, *model.input_shape[1:]), tf.uint8)
    probabilities, counts = probabilities_of(model, dataset.classes, takes), []
    for index in range(images):
        if is_stopped():
            return False
        image, mask, _ = dataset.read("test", index)
        predicted = predict_ids(probabilities, image, dataset.framing)
        counts.append(confusion_of_ids(mask, predicted, len(dataset.class_names)))
        progress.step(index + 1)
    write_counts(trial / FILE, counts_of_images(float("nan"), np.stack(counts)))
    return True
