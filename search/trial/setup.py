"""From a trial's specification to its data and its trainer."""

from __future__ import annotations

from pathlib import Path

from datasets import DataError, Dataset
from datasets.cache import open_cache
from datasets.formats import open_dataset
from deeplab import Architecture
from recipe import Recipe
from search.trial.contract import TrialSpec
from search.trial.steps import Progress
from search.trial.training import Trainer


def open_source(spec: TrialSpec) -> Dataset:
    """The trial's data as they are stored.

    Raises:
        DataError: they have changed since the search started.
    """
    dataset = open_dataset(spec.data_format, seed=spec.data_seed, **spec.data)
    found = {split: dataset.length(split) for split in spec.images}
    if found != spec.images:
        raise DataError(
            f"the data have changed since the search started: {spec.images} images, now {found}; restore them, or "
            "start anew with --fresh"
        )
    return dataset


def open_data(spec: TrialSpec) -> Dataset:
    """The trial's data, decoded already where the study keeps them so. Raises what `open_source` does."""
    dataset = open_source(spec)
    return open_cache(Path(spec.cache), dataset) or dataset


def make_trainer(spec: TrialSpec, progress: Progress, *, pretrained: bool) -> Trainer:
    """The trial's trainer before its first epoch; `pretrained` loads the encoder's weights, if the study has any."""
    return Trainer(
        Architecture(**spec.architecture),
        Recipe(**spec.recipe),
        open_data(spec),
        tuple(spec.data["image_size"]),
        max_epochs=spec.max_epochs,
        encoder_weights=spec.encoder_weights if pretrained else None,
        seed=spec.seed,
        class_pixels=spec.class_pixels,
        progress=progress,
    )
