"""Points of a space as configurations of a table: each stands for the nearest one that is not taken."""

from __future__ import annotations

import json
from collections.abc import Container

import numpy as np

from benchmarks.tables.table import Table
from search.oracle.points import Seen, Values
from search.oracle.samplers import Sampler
from search.oracle.samplers.axes import axes_of


class Nearest:
    """Finds the configurations of a table that lie nearest to a point.

    The distance is that of Gower 1971, "A general coefficient of similarity and some of its properties": a sum over all
    hyperparameters, of the distance of ordered values on an axis of length 1, and of 1 where categories differ or where
    one of the two points lacks the hyperparameter.
    """

    def __init__(self, table: Table) -> None:
        self._values = table.values
        self._axes = axes_of(table.hyperparameters())
        self._is_ordered = np.array([axis.is_ordered for axis in self._axes])
        self._places = np.array([self._places_of(values) for values in table.values])
        self._numbers = {_key(values): number for number, values in enumerate(table.values)}

    def order(self, values: Values) -> np.ndarray:
        """The numbers of all configurations, the nearest to a point first."""
        apart = np.abs(self._places - self._places_of(values))
        apart = np.where(self._is_ordered, apart, apart > 0)
        lacks = np.isnan(self._places).astype(int) + np.isnan(self._places_of(values))
        return np.argsort(np.choose(lacks, [apart, 1.0, 0.0]).sum(axis=1), kind="stable")

    def free(self, values: Values, taken: Container[int]) -> int | None:
        """The nearest that is not taken; None where all are."""
        return next((int(number) for number in self.order(values) if number not in taken), None)

    def values_of(self, number: int) -> Values:
        """A configuration's hyperparameters."""
        return dict(self._values[number])

    def number_of(self, values: Values) -> int:
        """The configuration with these hyperparameters."""
        return self._numbers[_key(values)]

    def _places_of(self, values: Values) -> np.ndarray:
        return np.array([axis.place_of(values[axis.name]) if axis.name in values else np.nan for axis in self._axes])


class NearestSampler:
    """Another sampler, each of whose proposals stands for the nearest configurations of a table, one an attempt."""

    def __init__(self, sampler: Sampler, nearest: Nearest) -> None:
        self._sampler, self._nearest = sampler, nearest

    def propose(self, number: int, attempt: int, seen: Seen) -> Values:
        """The configuration that is the nearest but `attempt`; see `Sampler.propose`."""
        # A new attempt follows where the configuration is taken, so that the nearest one that is not is found.
        order = self._nearest.order(self._sampler.propose(number, 0, seen))
        return self._nearest.values_of(int(order[min(attempt, len(order) - 1)]))


def _key(values: Values) -> str:
    return json.dumps(values, sort_keys=True)
