"""What keeps a configuration from being a point of a space, in words."""

from __future__ import annotations

from typing import Any

from deeplab import Architecture
from hyperparameters.dimensions import CATALOGUE
from recipe import Recipe
from space import Space, as_space


def misfits(space: Space, architecture: Architecture, recipe: Recipe) -> dict[str, str]:
    """The hyperparameters that do not fit: name -> what is given, and what the space has; empty for its points."""
    point: dict[str, Any] = space.values(architecture, recipe)
    outside = {
        offer.name: f"{_shown(point.get(offer.key))}, but the space has {offer.dimension}"
        for offer in space.offers
        if offer.exists_at(point) and not (offer.key in point and offer.dimension.holds(point[offer.key]))
    }
    if outside:
        return outside
    if not space.admits(point):
        return {"aspp_rate": f"{list(architecture.aspp_rates)} as rates, which reach beyond the feature map"}
    # What is not searched has to agree as well.
    given, there = as_space(architecture, recipe), as_space(space.architecture(point), space.recipe_of(point))
    return {
        name: f"{_shown(given.get(name))}, but the study has {_shown(there.get(name))}"
        for name in CATALOGUE
        if given.get(name) != there.get(name)
    }


def _shown(value: Any) -> str:
    return "none" if value is None else str(value)
