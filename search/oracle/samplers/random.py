"""Independent random draws."""

from __future__ import annotations

import keras_tuner
import numpy as np

from search.oracle.points import Seen, Values


class RandomSampler:
    """Draws every point from the seed, the configuration's number and the attempt, whatever else has happened.

    Args:
        space: the declared search space.
        seed: of the study.
    """

    def __init__(self, space: keras_tuner.HyperParameters, seed: int) -> None:
        self._space, self._seed = space, seed

    def propose(self, number: int, attempt: int, seen: Seen) -> Values:
        """A random point; see `Sampler.propose`."""
        return draw_values(self._space, [self._seed, number, attempt])


def draw_values(space: keras_tuner.HyperParameters, seed: list[int]) -> Values:
    """A random point of a KerasTuner space, which depends on `seed` alone; only active hyperparameters are in it."""
    # A seed for each hyperparameter, so that a value does not depend on which other ones are active.
    seeds = np.random.SeedSequence(seed).generate_state(max(len(space.space), 1))
    values: Values = {}
    for hyperparameter, state in zip(space.space, seeds, strict=False):
        # Parents come first, so the values drawn so far decide; like `HyperParameters.is_active`, without its copies.
        if all(condition.is_active(values) for condition in hyperparameter.conditions):
            values[hyperparameter.name] = hyperparameter.random_sample(int(state))
    return values
