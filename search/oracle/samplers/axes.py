"""Hyperparameters of a KerasTuner space as places on axes, for samplers that compare values.

A number lies on a line, from 0 to 1 in the order of its range; a choice that has no order is a category.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

import keras_tuner
from keras_tuner.engine import hyperparameters as kinds

from search.oracle.points import Values


class Axis:
    """One hyperparameter.

    Args:
        hyperparameter: of KerasTuner.

    Attributes:
        name: of the hyperparameter.
    """

    def __init__(self, hyperparameter: Any) -> None:
        self._kind = hyperparameter
        self.name: str = hyperparameter.name

    @cached_property
    def values(self) -> tuple[Any, ...] | None:
        """Every value, in ascending order where there is one; None for a range that has no steps."""
        kind = self._kind
        if isinstance(kind, kinds.Fixed):
            return (kind.value,)
        if isinstance(kind, kinds.Choice):
            return tuple(sorted(kind.values) if kind.ordered else kind.values)
        if isinstance(kind, kinds.Boolean):
            return (False, True)
        return None if kind.step is None else tuple(kind.values)

    @property
    def is_ordered(self) -> bool:
        """Whether values that lie side by side are alike."""
        return not isinstance(self._kind, kinds.Boolean) and getattr(self._kind, "ordered", True)

    @property
    def is_searched(self) -> bool:
        """Whether there is more than one value."""
        return self.values is None or len(self.values) > 1

    def exists_at(self, values: Values) -> bool:
        """Whether the hyperparameter exists at a point that contains its parents."""
        return all(condition.is_active(values) for condition in self._kind.conditions)

    def place_of(self, value: Any) -> float:
        """Where a value lies on the line: from 0 to 1."""
        if self.values is not None:
            return (self.values.index(value) + 0.5) / len(self.values)
        return float(min(max(self._kind.value_to_prob(value), 0.0), 1.0))

    def value_at(self, place: float) -> Any:
        """The value at a place on the line: the inverse of `place_of`."""
        if self.values is not None:
            return self.values[min(int(place * len(self.values)), len(self.values) - 1)]
        # Of whole numbers on a logarithmic scale, 1 would be the first that is too large.
        value = self._kind.prob_to_value(min(place, 1 - 1e-12))
        return min(max(value, self._kind.min_value), self._kind.max_value)


def axes_of(space: keras_tuner.HyperParameters) -> list[Axis]:
    """The hyperparameters of a space; a parent comes before what depends on it."""
    return [Axis(hyperparameter) for hyperparameter in space.space]
