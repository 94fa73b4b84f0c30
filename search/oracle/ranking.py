"""Trials in the order of their scores, kept sorted as they end."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterator
from itertools import islice

from search.oracle.trials import StudyTrial
from search.study.ids import Place
from search.study.objective import Objective

# Puts the baseline, which has no place in the schedule, behind every configuration of the same score.
_LAST = Place(2**63, 0)


class Ranking:
    """Trials from the best to the worst; trials of the same score in the order of their configurations.

    A trial that has failed ranks behind all that have completed, whatever its score was, so that a rung keeps its size.

    Args:
        objective: which way is better.
        by_score: rank failed trials by the score that they reached before they failed.
    """

    def __init__(self, objective: Objective, *, by_score: bool = False) -> None:
        self._objective, self._by_score = objective, by_score
        self._trials: list[StudyTrial] = []

    def __len__(self) -> int:
        return len(self._trials)

    def __iter__(self) -> Iterator[StudyTrial]:
        return iter(self._trials)

    def add(self, trial: StudyTrial) -> None:
        """Insert a trial that has ended."""
        insort(self._trials, trial, key=self._rank)

    def best(self, count: int) -> list[StudyTrial]:
        """At most `count` trials from the top."""
        return list(islice(self._trials, count))

    def better_than(self, trial: StudyTrial) -> int:
        """How many trials rank before this one."""
        return bisect_left(self._trials, self._rank(trial), key=self._rank)

    def _rank(self, trial: StudyTrial) -> tuple[bool, float, Place]:
        place = trial.place or _LAST
        counts = self._by_score or trial.status == "COMPLETED"
        if trial.score is None or not counts:
            return True, 0.0, place
        return False, -self._objective.sign * float(trial.score), place
