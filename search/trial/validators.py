"""One pass of a network over the validation split: in batches of whole inputs, or on whole images in tiles."""

from __future__ import annotations

from typing import Any, Protocol

import keras
import numpy as np
import tensorflow as tf

from datasets import Dataset
from datasets.inference import Probabilities, class_ids, predict_framed
from datasets.pipeline import Pipeline
from deeplab.metrics import confusion_of_images, predicted_classes
from deeplab.scoring import confusion_of_ids
from search.trial.steps import Progress, StepProgress
from search.trial.validation import ValidationPass

# So that a probability of 0 or 1 has a finite logarithm.
_TINY = 1e-7


class Validator(Protocol):
    """Loss, confusion and predictions of every image of the validation split."""

    def validate(self, epoch: int) -> ValidationPass:
        """One pass, after epoch `epoch`."""


def make_validator(model: keras.Model, dataset: Dataset, val_data: Pipeline, report: Progress) -> Validator:
    """The validator for a dataset's framing.

    Args:
        model: compiled; maps inputs to logits.
        dataset: with its split `val`.
        val_data: of that split.
        report: of each step.
    """
    if dataset.framing.is_whole:
        return BatchValidator(model, dataset, val_data, report)
    return TileValidator(model, dataset, val_data, report)


def probabilities_of(model: keras.Model, classes: int, takes: tf.TensorSpec) -> Probabilities:
    """A network that gives logits, as a function to probabilities that is traced once.

    Args:
        model: inputs to logits.
        classes: number of its outputs; 1 for binary.
        takes: what it is called with.
    """

    def predict(images: Any) -> Any:
        logits = keras.ops.cast(model(images, training=False), "float32")
        return keras.ops.sigmoid(logits) if classes == 1 else keras.ops.softmax(logits)

    graph = tf.function(predict, input_signature=[takes])
    return lambda images: np.asarray(graph(images))


class BatchValidator:
    """Each image is one input of the network. Arguments as in `make_validator`."""

    def __init__(self, model: keras.Model, dataset: Dataset, val_data: Pipeline, report: Progress) -> None:
        self._model, self._dataset, self._data, self._report = model, dataset, val_data, report
        # Traced once, also for a smaller last batch.
        self._step = tf.function(self._validate_batch, input_signature=val_data.element_spec)

    def validate(self, epoch: int) -> ValidationPass:
        """One pass, after epoch `epoch`."""
        progress = StepProgress(self._report, epoch, "validate", self._data.steps, self._data.batch_size)
        progress.start()
        gathered = ValidationPass(self._data.images)
        for step, (images, masks) in enumerate(self._data.epoch(1), start=1):  # all epochs are the same
            loss, counts, predictions = self._step(images, masks)
            gathered.add(float(loss), np.asarray(counts, np.int64), np.asarray(predictions))
            progress.step(step)
        return gathered

    def _validate_batch(self, images: Any, masks: Any) -> tuple[Any, Any, Any]:
        """Loss, the confusion matrix of each image `[B, C, C]`, and the class ids predicted, uint8 `[B, H, W]`."""
        classes = self._dataset.classes
        logits = self._model(images, training=False)
        loss = self._model.compute_loss(x=images, y=masks, y_pred=logits, training=False)
        counts = confusion_of_images(masks, logits, classes, self._dataset.ignore_index)
        return loss, counts, keras.ops.cast(predicted_classes(logits, classes), "uint8")


class TileValidator:
    """Each image is covered by overlapping inputs of the network, whose probabilities are blended.

    The loss is that of the blended probabilities. Arguments as in `make_validator`.
    """

    def __init__(self, model: keras.Model, dataset: Dataset, val_data: Pipeline, report: Progress) -> None:
        self._model, self._dataset, self._data, self._report = model, dataset, val_data, report
        images, _ = val_data.element_spec
        self._probabilities = probabilities_of(model, dataset.classes, images)
        outputs = dataset.classes
        signature = [tf.TensorSpec([1, None, None], tf.uint8), tf.TensorSpec([1, None, None, outputs], tf.float32)]
        self._loss = tf.function(self._loss_of, input_signature=signature)

    def validate(self, epoch: int) -> ValidationPass:
        """One pass, after epoch `epoch`."""
        progress = StepProgress(self._report, epoch, "validate", self._data.images, 1)
        progress.start()
        gathered = ValidationPass(self._data.images)
        for index in range(self._data.images):
            image, mask = self._data.read(index)
            found = predict_framed(self._probabilities, image, self._data.image_size, self._data.batch_size)
            ids = class_ids(found)
            counts = confusion_of_ids(mask, ids, len(self._dataset.class_names))
            gathered.add(float(self._loss(mask[np.newaxis], found[np.newaxis])), counts[np.newaxis], ids[np.newaxis])
            progress.step(index + 1)
        return gathered

    def _loss_of(self, masks: Any, probabilities: Any) -> Any:
        found = tf.clip_by_value(probabilities, _TINY, 1 - _TINY)
        logits = tf.math.log(found)
        if self._dataset.classes == 1:
            logits -= tf.math.log1p(-found)
        return self._model.compute_loss(y=masks, y_pred=logits, training=False)
