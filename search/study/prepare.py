"""Everything that a command needs of a study file, validated before anything is written."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from datasets import DataError, Dataset, open_dataset
from datasets.dataset import Progress
from deeplab import ENCODERS, EncoderWeightsError
from hyperparameters.dimensions import SpaceError
from search.errors import UserError
from search.study.columns import metric_names
from search.study.config import StudyConfig
from search.study.reading import load_config
from search.system.quiet import load_tensorflow

if TYPE_CHECKING:
    from space import Space


Bar = AbstractContextManager[Progress | None]
NO_BAR: Bar = nullcontext()


@dataclass(frozen=True)
class Prepared:
    """A study file's configuration with its data and space."""

    config: StudyConfig
    dataset: Dataset
    space: Space


def prepare(
    path: Path,
    overrides: Sequence[str] = (),
    directory: str | None = None,
    *,
    weights: bool = True,
    bar: Bar = NO_BAR,
) -> Prepared:
    """Read and check a study file, its data and its space.

    Args:
        path: the study file.
        overrides: of `--set`.
        directory: of `--directory`.
        weights: check the pretrained encoder weights too; downloads ImageNet weights that are not there yet.
        bar: shows how many masks have been read where splits are made of them.

    Raises:
        UserError: whatever is wrong with any of them.
    """
    return prepare_config(load_config(path, overrides, directory), str(path), weights=weights, bar=bar)


def prepare_config(config: StudyConfig, source: str, *, weights: bool = True, bar: Bar = NO_BAR) -> Prepared:
    """Check the data and the space of a configuration; `source` names it in messages. Raises UserError."""
    # From the fastest check to the slowest, so that a mistake is reported as soon as possible.
    dataset = open_data(config, bar=bar)
    space = read_space(config, source)
    check_objective(config, dataset, source)
    if weights:
        check_weights(config, space)
    return Prepared(config, dataset, space)


def open_data(config: StudyConfig, *, strict: bool = True, bar: Bar = NO_BAR) -> Dataset:
    """The dataset of a study. Raises UserError with every problem found without reading images.

    Without `strict`, what is wrong with the layout is left to `datasets.inspect_dataset`. `bar` shows how many masks
    have been read where splits are made of them.
    """
    data, seed = config.data, config.study.seed
    try:
        with bar as progress:
            return open_dataset(data.format, seed=seed, strict=strict, progress=progress, **data.options())
    except DataError as error:
        raise UserError(f"[data] {error}") from None


def check_objective(config: StudyConfig, dataset: Dataset, source: str) -> None:
    """Raises UserError if the objective is not a metric of the data's classes."""
    metrics = [name for name in metric_names(dataset.class_names) if name.startswith("val_")]
    if config.study.objective not in metrics:
        raise UserError(
            f"{source}: [study] objective: given {config.study.objective!r}; allowed are {', '.join(metrics)}."
        )


def read_space(config: StudyConfig, source: str) -> Space:
    """The search space of a study. Raises UserError with every mistake in it."""
    # KerasTuner loads TensorFlow; before this point, mistakes are reported at once.
    load_tensorflow()
    from space import Space

    try:
        return Space.parse(config.ranges(), recipe=config.recipe, image_size=config.data.image_size)
    except SpaceError as error:
        if len(error.problems) == 1:
            raise UserError(f"{source}: {error.problems[0]}") from None
        listed = "\n".join(f"  - {problem}" for problem in error.problems)
        raise UserError(f"{source}: {len(error.problems)} mistakes:\n{listed}") from None


def check_weights(config: StudyConfig, space: Space) -> None:
    """Make sure that each encoder's weights are there and fit, once, before any trial needs them."""
    weights = config.encoder_weights
    named = set(weights) if isinstance(weights, dict) else set()
    unknown = sorted(named - set(ENCODERS))
    if unknown:
        raise UserError(
            f"[space] encoder_weights: no such encoder: {', '.join(unknown)}; there are {', '.join(ENCODERS)}."
        )
    from deeplab import check_encoder_weights

    for encoder in space.encoders():
        try:
            check_encoder_weights(encoder, config.weights_of(encoder))
        except EncoderWeightsError as error:
            raise UserError(f"[space] encoder_weights: {error}") from None
