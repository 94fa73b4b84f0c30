"""How far a bracket has come: counts and rankings of its rungs, kept as its trials start and end."""

from __future__ import annotations

from typing import Any

from search.oracle.ranking import Ranking
from search.oracle.schedule import Bracket
from search.oracle.trials import StudyTrial
from search.study.ids import Place
from search.study.objective import Objective


class RungProgress:
    """The trials of one rung.

    Attributes:
        size: number of trials planned.
        started: every trial of the rung, by configuration number.
        ended: those that have ended, the best first.
        completed: how many have ended well.
        promoted: ids of those that continue at the next rung.
    """

    def __init__(self, size: int, objective: Objective) -> None:
        self.size = size
        self.started: dict[int, StudyTrial] = {}
        self.ended = Ranking(objective)
        self.completed = 0
        self.promoted: set[str] = set()

    @property
    def has_ended(self) -> bool:
        """Whether every trial that has started has ended."""
        return len(self.ended) == len(self.started)


class BracketProgress:
    """The trials of one bracket.

    Args:
        bracket: its plan.
        objective: which way is better.
    """

    def __init__(self, bracket: Bracket, objective: Objective) -> None:
        self.bracket = bracket
        self.rungs = [RungProgress(rung.size, objective) for rung in bracket.rungs]
        self._next_number = bracket.first_config

    def start(self, trial: StudyTrial, place: Place) -> None:
        """Take in a trial that has been created."""
        self.rungs[place.rung].started[place.number] = trial
        if place.rung:
            self.rungs[place.rung - 1].promoted.add(str(trial.parent_id))

    def end(self, trial: StudyTrial, place: Place) -> None:
        """Take in the end of a trial."""
        rung = self.rungs[place.rung]
        rung.ended.add(trial)
        rung.completed += trial.status == "COMPLETED"

    def next_number(self) -> int | None:
        """The lowest configuration number that has no trial yet; None where all have one."""
        first = self.rungs[0]
        # Trials are never taken back, so numbers below this one need not be looked at again.
        while self._next_number in first.started:
            self._next_number += 1
        return self._next_number if self._next_number < self.bracket.first_config + first.size else None

    def expected_size(self, rung: int, *, exhausted: bool) -> int:
        """The trials that a rung will have: as planned, or fewer where the space or the survivors ran out.

        Args:
            rung: number of the rung.
            exhausted: whether the space has no further configurations.
        """
        here = self.rungs[rung]
        if rung == 0:
            return min(here.size, len(here.started)) if exhausted else here.size
        below = self.rungs[rung - 1]
        if len(below.started) < self.expected_size(rung - 1, exhausted=exhausted) or not below.has_ended:
            return here.size
        return min(here.size, below.completed)

    def has_ended(self, rung: int, *, exhausted: bool) -> bool:
        """Whether a rung has all the trials that it will have, and all of them have ended."""
        here = self.rungs[rung]
        return here.has_ended and len(here.started) >= self.expected_size(rung, exhausted=exhausted)

    def is_open(self, *, exhausted: bool) -> bool:
        """Whether the bracket still has trials to start."""
        last = len(self.rungs) - 1
        return len(self.rungs[last].started) < self.expected_size(last, exhausted=exhausted)

    def stock_state(self) -> dict[str, Any]:
        """The bracket in the form of KerasTuner's `oracle.json`."""
        rounds = [
            [{"past_id": trial.parent_id, "id": trial.trial_id} for _, trial in sorted(rung.started.items())]
            for rung in self.rungs
        ]
        return {"bracket_num": self.bracket.number, "rounds": rounds}
