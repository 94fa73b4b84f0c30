"""Confirmation: the best configurations are trained again from other seeds, and the mean over these names the winner.

The score by which a configuration was chosen among many is too high, because luck was chosen with it. A score from
another seed was not chosen.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from statistics import fmean
from typing import NamedTuple

from search.study.ids import BASELINE, confirmation_of, is_control
from search.study.objective import Objective


class Confirmed(NamedTuple):
    """What confirmed a configuration: its number or "baseline", the trial with the best score, and the mean score."""

    of: str
    trial_id: str
    mean: float
    seeds: int


class Confirmations:
    """The confirmations of a study that have ended.

    Args:
        objective: which way is better.
        seeds: how often each configuration is trained again.
    """

    def __init__(self, objective: Objective, seeds: int) -> None:
        self._objective, self._seeds = objective, seeds
        self._ended: defaultdict[str, dict[str, float | None]] = defaultdict(dict)

    def add(self, trial_id: str, score: float | None) -> None:
        """Take in the end of a confirmation; without a score, if it failed."""
        confirmation = confirmation_of(trial_id)
        if confirmation is None:
            raise ValueError(f"{trial_id!r} confirms nothing")
        self._ended[confirmation.of][trial_id] = score

    def of(self, name: str) -> Confirmed | None:
        """What confirmed one configuration; None until all of its seeds have ended, or if one of them failed."""
        scores = {trial_id: score for trial_id, score in self._ended.get(name, {}).items() if score is not None}
        if len(scores) < self._seeds:
            return None
        # Sorted, so that equals are told apart in the same way whatever the order in which they ended.
        best = max(sorted(scores), key=lambda trial_id: self._objective.sign * scores[trial_id])
        return Confirmed(name, best, fmean(scores.values()), len(scores))

    def winner(self, finalists: Collection[str]) -> Confirmed | None:
        """The configuration with the best mean, once all `finalists` have ended with all of their seeds.

        None where nothing but the baseline was confirmed by all its seeds: a failure must not make it the winner.
        """
        if not finalists or any(len(self._ended.get(name, {})) < self._seeds for name in finalists):
            return None
        names = sorted(name for name in self._ended if not is_control(name))
        found = [confirmed for confirmed in map(self.of, names) if confirmed is not None]
        if all(confirmed.of == BASELINE for confirmed in found):
            return None
        return max(found, key=lambda confirmed: self._objective.sign * confirmed.mean)

    def __bool__(self) -> bool:
        """Whether any confirmation has ended."""
        return bool(self._ended)
