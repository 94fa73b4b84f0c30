"""How many points a search space holds, without drawing them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Set as AbstractSet
from typing import Any

from deeplab import Architecture
from hyperparameters.dimensions import plain
from hyperparameters.rates import STEPS
from recipe import Recipe
from space import Space

TRAINING_CHOICES = frozenset(Recipe.model_fields)

# The values that later hyperparameters depend on.
_State = tuple[tuple[str, Any], ...]


def count_networks(space: Space) -> int:
    """How many networks the space holds, before limits; a range of real numbers counts as one value."""
    return _count(space, TRAINING_CHOICES)


def count_configurations(space: Space) -> int | None:
    """How many configurations the space holds, before limits; None where a range of real numbers makes them endless."""
    if any(offer.dimension.size is None for offer in space.offers):
        return None
    return _count(space, frozenset())


def is_in_space(space: Space, architecture: Architecture, recipe: Recipe) -> bool:
    """Whether a configuration is one of the points of the space."""
    point = space.values(architecture, recipe)
    exist = (offer for offer in space.offers if offer.exists_at(point))
    if not all(offer.key in point and point[offer.key] in offer.dimension.values() for offer in exist):
        return False
    return (space.architecture(point), space.recipe_of(point)) == (architecture, recipe)


def _count(space: Space, ignored: AbstractSet[str]) -> int:
    parents = {parent for offer in space.offers for parent in offer.scope} | {"output_stride", "aspp_branches"}
    # The state so far -> in how many ways it comes about.
    states: Counter[_State] = Counter({(): 1})
    for offer in space.offers:
        # Dilation rates are counted at the end, because how many fit depends on the output stride.
        if offer.name in ignored or offer.name in STEPS or offer.dimension.size is None:
            continue
        longer: Counter[_State] = Counter()
        for state, ways in states.items():
            if not offer.exists_at(dict(state)):
                longer[state] += ways
            elif offer.key in parents:
                longer.update({(*state, (offer.key, value)): ways for value in offer.dimension.values()})
            else:
                longer[state] += ways * offer.dimension.size
        states = longer
    total = 0
    for state, ways in states.items():
        point = {**space.fixed, **plain(dict(state))}
        total += ways * space.rates.count(int(point["output_stride"]), int(point["aspp_branches"]))
    return total
