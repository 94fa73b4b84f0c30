"""What every sampler promises. A sampler's own test says its name and nothing more."""

from __future__ import annotations

import random
from typing import Any

import keras_tuner
import numpy as np
import pytest

from search.oracle.points import NOTHING, Observation, Seen, Values
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


def results(count: int, epochs: int = 3) -> Seen:
    """What a draw may see: large sizes are good, some trials have failed, and two points have no result yet."""
    random = np.random.default_rng(0)
    points: list[Values] = []
    for _ in range(count + 2):
        values = {name: random.choice(CHOICES[name]).item() for name in ("kind", "size")}
        values |= {"rate": random.choice(CHOICES["rate"]).item()} if values["kind"] != "a" else {}
        points.append(values | {"learning_rate": 10 ** -random.uniform(1, 4), "batch": 8})
    scores = [None if number % 7 == 6 else float(points[number]["size"]) for number in range(count)]
    observations = [Observation(*each) for each in zip(points[:count], [epochs] * count, scores, strict=True)]
    return Seen(observations, points[count:])


SEEN = {"nothing": NOTHING, "too little": results(3), "results": results(30)}


class SamplerContract:
    """Subclass it, as `TestX`."""

    name: str
    """In `SAMPLERS`."""

    def sampler(self, seed: int = 3) -> Any:
        """A sampler of the small space, which has been told nothing."""
        return load_choice(SAMPLERS, self.name)(small_space(), seed)

    def test_it_has_a_line_in_the_table(self) -> None:
        assert self.name in SAMPLERS

    @pytest.mark.parametrize("seen", SEEN.values(), ids=SEEN)
    def test_its_points_lie_in_the_space(self, seen: Seen) -> None:
        sampler = self.sampler()
        for number in NUMBERS:
            values = sampler.propose(number, 0, seen)
            known = {"kind", "size", "learning_rate", "batch"} | ({"rate"} if values["kind"] != "a" else set())
            assert set(values) == known
            assert all(values[name] in allowed for name, allowed in CHOICES.items() if name in values)
            assert 1e-4 <= values["learning_rate"] <= 1e-1
            assert {type(value) for value in values.values()} == {str, int, float}, "numpy's numbers are not plain data"
            assert values["batch"] == 8

    def test_a_point_follows_from_seed_number_attempt_and_what_is_seen_alone(self) -> None:
        asked = [(number, attempt, seen) for number in range(10) for attempt in range(3) for seen in SEEN]
        one, other = self.sampler(), self.sampler()
        forwards = {(*place, seen): one.propose(*place, SEEN[seen]) for *place, seen in asked}
        backwards = {(*place, seen): other.propose(*place, SEEN[seen]) for *place, seen in reversed(asked)}
        assert forwards == backwards

    @pytest.mark.parametrize("seen", SEEN.values(), ids=SEEN)
    def test_chance_of_the_process_does_not_matter(self, seen: Seen) -> None:
        found = []
        for seed in (1, 2):
            random.seed(seed)
            np.random.seed(seed)  # noqa: NPY002 - a sampler may use it by mistake
            found.append([self.sampler().propose(number, 0, seen) for number in range(10)])
        assert found[0] == found[1]

    @pytest.mark.parametrize("seen", SEEN.values(), ids=SEEN)
    def test_numbers_attempts_and_seeds_give_other_points(self, seen: Seen) -> None:
        sampler = self.sampler()
        numbers = {str(sampler.propose(number, 0, seen)) for number in NUMBERS}
        attempts = {str(sampler.propose(0, attempt, seen)) for attempt in NUMBERS}
        seeds = {str(self.sampler(seed).propose(0, 0, seen)) for seed in NUMBERS}
        assert min(len(numbers), len(attempts), len(seeds)) > len(NUMBERS) / 2

    @pytest.mark.parametrize("seen", SEEN.values(), ids=SEEN)
    @pytest.mark.parametrize("name", CHOICES)
    def test_every_value_is_proposed_sooner_or_later(self, name: str, seen: Seen) -> None:
        sampler = self.sampler()
        found = {values[name] for number in range(200) if name in (values := sampler.propose(number, 0, seen))}
        assert found == set(CHOICES[name])
