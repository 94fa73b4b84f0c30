"""What identifies a configuration, a network, and the seed of a configuration.

Ids outlive versions: a trial is recognised by the id that it was given when it was created. So an id is made of the
fields that version 0.1 had, and of those added since which depart from their defaults. A new field must have as its
default what earlier versions did.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import tomli_w
from pydantic import BaseModel

from deeplab import Architecture
from recipe import Recipe
from search.study.ids import BASELINE, NETWORK, RECIPE, confirmation_of, place_of
from space import Space

# The fields of version 0.1, in its order.
_FIRST_ARCHITECTURE = (
    *("encoder", "output_stride", "aspp_tap", "low_level_filters", "low_level_tap", "aspp_filters", "aspp_rates"),
    *("aspp_pooling", "aspp_separable", "aspp_dropout", "decoder_depth", "decoder_filters", "decoder_separable"),
    *("decoder_double_relu", "normalization"),
)
_FIRST_RECIPE = (
    *("optimizer", "learning_rate", "weight_decay", "schedule", "loss", "batch_size", "freeze_encoder_epochs"),
    *("augment", "precision"),
)


def config_id(architecture: Architecture, recipe: Recipe) -> str:
    """A short hash of a configuration: the same at all its rungs, in every study, and in every version."""
    fields = [_identifying(architecture, _FIRST_ARCHITECTURE), _identifying(recipe, _FIRST_RECIPE)]
    return hashlib.sha256(json.dumps(fields, sort_keys=True).encode()).hexdigest()[:8]


def configuration_of(space: Space, trial_id: str, values: Mapping[str, Any]) -> tuple[Architecture, Recipe]:
    """The network and recipe of a trial with these hyperparameters; of a control, one of the two is the baseline's."""
    confirmation = confirmation_of(trial_id)
    return _trained(space, trial_id if confirmation is None else confirmation.kind, values)


def control_of(space: Space, kind: str, values: Mapping[str, Any]) -> tuple[dict[str, Any], str]:
    """Hyperparameters and id of the configuration of a control, given the winner's hyperparameters."""
    architecture, recipe = _trained(space, kind, values)
    return space.values(architecture, recipe), config_id(architecture, recipe)


def _trained(space: Space, kind: str, values: Mapping[str, Any]) -> tuple[Architecture, Recipe]:
    if kind == BASELINE:
        return space.baseline()
    architecture = space.baseline()[0] if kind == RECIPE else space.architecture(values)
    recipe = space.baseline()[1] if kind == NETWORK else space.recipe_of(values)
    return architecture, recipe


def architecture_id(architecture: Architecture) -> str:
    """A short hash of a network, whatever its recipe; the same in every version."""
    text = tomli_w.dumps({"architecture": _identifying(architecture, _FIRST_ARCHITECTURE)})
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _identifying(model: BaseModel, first: tuple[str, ...]) -> dict[str, Any]:
    """The fields that identify: the `first` ones, and of the others those that depart from their defaults."""
    values = model.model_dump(mode="json")
    defaults = type(model).model_fields
    later = [name for name in values if name not in first and getattr(model, name) != defaults[name].get_default()]
    return {name: values[name] for name in (*first, *later)}


def seed_of(study_seed: int, trial_id: str) -> int:
    """The seed of a trial's weights, data order and augmentation: each configuration has one, at all its rungs.

    A confirmation's follows from its number alone, so that all finalists are trained from the same seeds.
    """
    place, confirmation = place_of(trial_id), confirmation_of(trial_id)
    # The second number keeps the baseline's entropy apart from that of configuration 0.
    entropy = [study_seed, 0]
    if place is not None:
        entropy = [study_seed, 1, place.number]
    elif confirmation is not None:
        entropy = [study_seed, 2, confirmation.seed]
    return int(np.random.SeedSequence(entropy).generate_state(1)[0] >> 1)
