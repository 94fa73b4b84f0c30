"""A trained model, wherever it is kept, as a function from images to probabilities."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from datasets import Framing, ImageReading
from datasets.inference import Probabilities
from search.errors import UserError
from search.results.labels import ModelLabels, labels_of
from search.results.model_files import Answers, Opened, graph_of, open_model
from search.results.study_images import StudyData
from search.results.trained_network import load_model, trained_trial
from search.study import Study


@dataclass(frozen=True)
class Predictor:
    """A model of one image size.

    Attributes:
        probabilities: of a batch of images at that size.
        framing: how images of any size are brought to it.
        reading: how image files become what it takes.
        outputs: number of probabilities of each pixel; 1 for binary data.
        class_names: in id order; None for a bare model file, which says nothing about them nor about the framing.
        mirror: pairs of class ids that change places in a mirrored image; None if that is not known.
    """

    probabilities: Probabilities
    framing: Framing
    reading: ImageReading
    outputs: int
    class_names: tuple[str, ...] | None
    mirror: tuple[tuple[int, int], ...] | None = None


def load_predictor(model: Path, *, mirrored: bool = False) -> Predictor:
    """Load a model: a study folder (its best trial), an exported file, or a SavedModel folder.

    With `mirrored`, a study's data are opened too, because they say which classes change places.

    Raises:
        UserError: it is none of these, is damaged, or does not fit the labels in it or beside it.
    """
    if not Study(model).exists:
        return _described(open_model(model), model)
    study = Study(model)
    trial = trained_trial(study, None)
    network = load_model(study, trial)
    labels = labels_of(trial, mirror=StudyData(trial).mirror if mirrored else None)
    return _described(Opened(graph_of(network), network.input_shape, network.output_shape, labels), model)


def _described(opened: Opened, model: Path) -> Predictor:
    """A predictor of a model; without labels, images are stretched."""
    takes, gives, labels = opened.takes, opened.gives, opened.labels
    if labels is None:
        if len(takes) != 4 or None in takes[1:] or len(gives) != 4 or gives[3] is None:
            raise UserError(
                f"{model} takes {takes} and gives {gives}; expected a model of images of one size, [batch, height, "
                "width, channels], to probabilities, [batch, height, width, outputs]."
            )
        (height, width, channels), outputs = (int(side or 0) for side in takes[1:]), gives[3]
        return Predictor(opened.answers, Framing((height, width)), ImageReading(channels), outputs, None)
    if not _fits(takes, gives, labels):
        raise UserError(
            f"{model} takes {takes} and gives {gives}, but the labels.toml beside it describes a model of image_size "
            f"{list(labels.image_size)}, {labels.channels} channels and {labels.outputs} outputs that gives "
            f"{labels.output}. Move one of them away."
        )
    probabilities = _probabilities(opened.answers, labels)
    return Predictor(probabilities, labels.framing, labels.reading, labels.outputs, labels.classes, labels.mirror)


def _fits(takes: tuple[int | None, ...], gives: tuple[int | None, ...], labels: ModelLabels) -> bool:
    """Whether a model of these shapes may be the one that the labels describe."""
    if len(takes) != 4 or takes[3] != labels.channels:
        return False
    if takes[1:3] not in (labels.image_size, (None, None)):
        return False
    return len(gives) == 3 if labels.output == "class_ids" else len(gives) == 4 and gives[3] == labels.outputs


def _probabilities(answers: Answers, labels: ModelLabels) -> Probabilities:
    """The probabilities of a model that may give something else; class ids are certain of their class."""
    if labels.output == "probabilities":
        return answers

    def certain(images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        ids = answers(images)
        if labels.outputs == 1:
            return ids[..., np.newaxis].astype(np.float32)
        return (ids[..., np.newaxis] == np.arange(labels.outputs)).astype(np.float32)

    def normalized(images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        logits = answers(images)
        if labels.outputs == 1:
            return (0.5 * (1 + np.tanh(logits / 2))).astype(np.float32)
        powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
        return (powers / powers.sum(axis=-1, keepdims=True)).astype(np.float32)

    return certain if labels.output == "class_ids" else normalized
