"""What the draw of a configuration may know of the search: a rule of the schedule, so that timing decides nothing.

A sampler that learns would otherwise draw by whatever has ended so far, which depends on the workers, and on when the
search was stopped. Here the draw of a number sees results of certain trials, and waits until these have ended.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from search.oracle.brackets import BracketProgress
from search.oracle.points import NOTHING, Observation, Seen, Values, without_place
from search.oracle.schedule import Bracket, Schedule
from search.oracle.state import SearchState
from search.oracle.trials import StudyTrial
from search.study.objective import Objective

# Share of a bracket's configurations, its first ones, whose draws see nothing. They need not wait, so they also occupy
# the workers that the last rungs of the bracket before leave idle.
BLIND = 0.2
# A draw sees the results of its own bracket's configurations up to the one that lies this many numbers before it.
LAG = 8
# Last rungs of the bracket before that a draw does not see: a few long trials, for which all workers would wait. Of the
# bracket before that it is one less, and so on, because the chain of one bracket's rungs is longer than many workers
# take for the next bracket.
UNSEEN_RUNGS = 2


class Sight:
    """What the draws of a study see.

    Args:
        schedule: brackets and rungs.
        objective: which way is better.
        earlier: observations of other studies, which every draw sees that is not blind.
    """

    def __init__(self, schedule: Schedule, objective: Objective, earlier: Sequence[Observation] = ()) -> None:
        self._schedule, self._objective, self._earlier = schedule, objective, earlier
        self._observed: dict[tuple[str, str, float | None], Observation] = {}

    def seen_by(self, number: int, state: SearchState) -> Seen | None:
        """What the draw of a configuration sees; None where it has to wait for it.

        Args:
            number: of the configuration; all lower ones have been drawn.
            state: of the search.
        """
        bracket = self._schedule.brackets[_index(self._schedule, number)]
        if is_blind(bracket, number):
            return NOTHING
        observations = list(self._earlier)
        for progress, rung in _visible_rungs(self._schedule, state, number):
            if not progress.has_ended(rung, exhausted=state.exhausted):
                return None
            trials = progress.rungs[rung].started
            observations += [self._observation(trials[each]) for each in sorted(trials)]
        own = state.bracket_of(number).rungs[0].started
        known = range(bracket.first_config, number - LAG + 1)
        if not all(each in own and own[each].finished for each in known):
            return None
        observations += [self._observation(own[each]) for each in known]
        pending = range(max(bracket.first_config, number - LAG + 1), number)
        return Seen(observations, [_point(own[each]) for each in pending if each in own])

    def _observation(self, trial: StudyTrial) -> Observation:
        # A failed trial may be run again, and end in another way.
        key = (trial.trial_id, trial.status, trial.score)
        if key not in self._observed:
            self._observed[key] = self._observe(trial)
        return self._observed[key]

    def _observe(self, trial: StudyTrial) -> Observation:
        is_ranked = trial.status == "COMPLETED" and trial.score is not None
        score = self._objective.sign * float(trial.score or 0.0) if is_ranked else None
        return Observation(_point(trial), int(trial.hyperparameters.values["tuner/epochs"]), score)


def is_blind(bracket: Bracket, number: int) -> bool:
    """Whether the draw of a configuration of the bracket sees nothing."""
    return number - bracket.first_config < math.ceil(BLIND * bracket.rungs[0].size)


def seen_results(schedule: Schedule, number: int) -> dict[int, int]:
    """How many results the draw of a configuration sees where no trial fails: number of epochs -> results."""
    index = _index(schedule, number)
    bracket = schedule.brackets[index]
    found: dict[int, int] = {}
    if is_blind(bracket, number):
        return found
    rungs = [rung for at in range(index) for rung in schedule.brackets[at].rungs[: _visible(schedule, at, index)]]
    for rung in rungs:
        found[rung.last_epoch] = found.get(rung.last_epoch, 0) + rung.size
    own = bracket.rungs[0].last_epoch
    found[own] = found.get(own, 0) + max(0, number - LAG + 1 - bracket.first_config)
    return found


def _visible_rungs(schedule: Schedule, state: SearchState, number: int) -> Iterator[tuple[BracketProgress, int]]:
    """The rungs of earlier brackets that the draw of a configuration sees."""
    index = _index(schedule, number)
    for at in range(index):
        for rung in range(_visible(schedule, at, index)):
            yield state.brackets[at], rung


def _visible(schedule: Schedule, at: int, index: int) -> int:
    """How many rungs of the bracket at one index the draws of a later one see."""
    unseen = max(0, UNSEEN_RUNGS + 1 - (index - at))
    return max(0, len(schedule.brackets[at].rungs) - unseen)


def _index(schedule: Schedule, number: int) -> int:
    index = schedule.index_of(number)
    if index is None:
        raise IndexError(f"configuration {number} is beyond the {schedule.configurations} of the schedule")
    return index


def _point(trial: StudyTrial) -> Values:
    return without_place(trial.hyperparameters.values)
