"""What every sampler promises. A sampler's own test says its name and nothing more."""

from __future__ import annotations

import random
from typing import Any

import keras_tuner
import numpy as np
import pytest

from search.study.choices import SAMPLERS, load_choice

NUMBERS = range(40)
CHOICES: dict[str, list[Any]] = {"kind": ["a", "b", "c"], "rate": [2, 4, 8], "size": [1, 3, 5, 7]}


def small_space() -> keras_tuner.HyperParameters:
    """A choice, one that exists in some cases alone, whole numbers in steps, a logarithmic range, and a fixed value."""
    space = keras_tuner.HyperParameters()
    space.Choice("kind", CHOICES["kind"])
    with space.conditional_scope("kind", ["b", "c"]):
        space.Choice("rate", CHOICES["rate"])
    space.Int("size", 1, 7, step=2)
    space.Float("learning_rate", 1e-4, 1e-1, sampling="log")
    space.Fixed("batch", 8)
    return space


class SamplerContract:
    """Subclass it, as `TestX`."""

    name: str
    """In `SAMPLERS`."""

    def sampler(self, seed: int = 3) -> Any:
        """A sampler of the small space, which has been told nothing."""
        return load_choice(SAMPLERS, self.name)(small_space(), seed)

    def test_it_has_a_line_in_the_table(self) -> None:
        assert self.name in SAMPLERS

    def test_its_points_lie_in_the_space(self) -> None:
        sampler = self.sampler()
        for number in NUMBERS:
            values = sampler.propose(number, 0)
            known = {"kind", "size", "learning_rate", "batch"} | ({"rate"} if values["kind"] != "a" else set())
            assert set(values) == known
            assert all(values[name] in allowed for name, allowed in CHOICES.items() if name in values)
            assert 1e-4 <= values["learning_rate"] <= 1e-1
            assert values["batch"] == 8

    def test_a_point_follows_from_seed_number_and_attempt_alone(self) -> None:
        asked = [(number, attempt) for number in range(10) for attempt in range(3)]
        one, other = self.sampler(), self.sampler()
        forwards = {place: one.propose(*place) for place in asked}
        backwards = {place: other.propose(*place) for place in reversed(asked)}
        assert forwards == backwards

    def test_chance_of_the_process_does_not_matter(self) -> None:
        found = []
        for seed in (1, 2):
            random.seed(seed)
            np.random.seed(seed)  # noqa: NPY002 - a sampler may use it by mistake
            found.append(self.sampler().propose(0, 0))
        assert found[0] == found[1]

    def test_numbers_attempts_and_seeds_give_other_points(self) -> None:
        sampler = self.sampler()
        numbers = {str(sampler.propose(number, 0)) for number in NUMBERS}
        attempts = {str(sampler.propose(0, attempt)) for attempt in NUMBERS}
        seeds = {str(self.sampler(seed).propose(0, 0)) for seed in NUMBERS}
        assert min(len(numbers), len(attempts), len(seeds)) > len(NUMBERS) / 2

    @pytest.mark.parametrize("name", CHOICES)
    def test_every_value_is_proposed_sooner_or_later(self, name: str) -> None:
        sampler = self.sampler()
        found = {values[name] for number in range(200) if name in (values := sampler.propose(number, 0))}
        assert found == set(CHOICES[name])
