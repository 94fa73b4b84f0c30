"""What identifies a configuration, a network, and the seed of a configuration."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from deeplab import Architecture
from recipe import Recipe
from search.study.ids import BASELINE
from space import Space


def config_id(architecture: Architecture, recipe: Recipe) -> str:
    """A short hash of a configuration: the same at all its rungs, and in every study."""
    text = json.dumps([architecture.model_dump(mode="json"), recipe.model_dump(mode="json")], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def configuration_of(space: Space, trial_id: str, values: Mapping[str, Any]) -> tuple[Architecture, Recipe]:
    """The network and recipe of a trial with these hyperparameters."""
    return space.baseline() if trial_id == BASELINE else (space.architecture(values), space.recipe_of(values))


def architecture_id(architecture: Architecture) -> str:
    """A short hash of a network, whatever its recipe."""
    return hashlib.sha256(architecture.to_toml().encode()).hexdigest()[:12]


def configuration_seed(study_seed: int, number: int | None) -> int:
    """The seed of one configuration's weights, data order and augmentation; None is the baseline."""
    # The second number keeps the baseline's entropy apart from that of configuration 0.
    entropy = [study_seed, 0] if number is None else [study_seed, 1, number]
    return int(np.random.SeedSequence(entropy).generate_state(1)[0] >> 1)
