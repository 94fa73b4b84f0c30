"""Draws that learn from results: TPE, fed by the rule of BOHB, beside random draws and mutations of good points.

Falkner et al. 2018, "BOHB: Robust and Efficient Hyperparameter Optimization at Scale", section 4: the model is made of
the results at the largest budget that has enough of them, and a share of all draws is random.
"""

from __future__ import annotations

import keras_tuner
import numpy as np

from search.oracle.points import Seen, Values
from search.oracle.samplers import model
from search.oracle.samplers.axes import axes_of
from search.oracle.samplers.budgets import best, enough, largest_budget
from search.oracle.samplers.mutation import mutate
from search.oracle.samplers.random import draw_values

# Of the draws that know enough, the share that changes the best point so far, and that changes the space's defaults.
BEST, DEFAULT = 0.1, 0.1
# A small space, or one that limits cut, holds few new points where the model looks for them: random ones after these.
ATTEMPTS = 20


class TpeSampler:
    """Draws where good results are likelier than bad ones, once there are enough.

    Args:
        space: the declared search space; its defaults are the tutorial's values where it holds these.
        seed: of the study.
    """

    def __init__(self, space: keras_tuner.HyperParameters, seed: int) -> None:
        self._space, self._seed, self._axes = space, seed, axes_of(space)
        self._enough = enough(sum(axis.is_searched for axis in self._axes))
        self._default = dict(space.values)

    def propose(self, number: int, attempt: int, seen: Seen) -> Values:
        """A point of the model, or a random one where there is too little to learn from; see `Sampler.propose`."""
        known = largest_budget(seen.observations, self._enough)
        if not known or attempt >= ATTEMPTS:
            return draw_values(self._space, [self._seed, number, attempt])
        # Numbered, because numpy takes a missing number of a seed for 0.
        kind = np.random.default_rng([self._seed, number, 0, 1]).random()
        random = np.random.default_rng([self._seed, number, attempt, 2])
        if kind < BEST:
            return mutate(self._axes, best(seen.observations).values, random)
        if kind < BEST + DEFAULT:
            return mutate(self._axes, self._default, random)
        return model.propose(self._axes, known, seen.pending, int(random.integers(2**32)))
