"""Points near a good one, after PriorBand: it samples around the incumbent and around what an expert would try.

Mallik et al. 2023, "PriorBand: Practical Hyperparameter Optimization in the Age of Deep Learning", section 5.2 and
appendix E.2: each hyperparameter is changed with probability 0.5, a number by a normal step of 0.25 of its range.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from search.oracle.points import Values
from search.oracle.samplers.axes import Axis

CHANGED = 0.5
STEP = 0.25


def mutate(axes: Sequence[Axis], point: Values, random: np.random.Generator) -> Values:
    """A point near another one, which need not have a value for every hyperparameter that then exists."""
    values: Values = {}
    for axis in axes:
        # Drawn whether they are used or not, so that a value does not depend on which others exist.
        is_changed, step, anywhere = random.random() < CHANGED, random.normal(0.0, STEP), random.random()
        if axis.exists_at(values):
            if axis.name in point and not is_changed:
                values[axis.name] = point[axis.name]
            elif axis.name in point and axis.is_ordered:
                values[axis.name] = axis.value_at(_reflected(axis.place_of(point[axis.name]) + step))
            else:
                values[axis.name] = axis.value_at(anywhere)
    return values


def _reflected(place: float) -> float:
    """A place on the line, where one that is beyond an end comes back from there."""
    place = abs(place) % 2.0
    return 2.0 - place if place > 1.0 else place
