"""The trials of a study with the counts and rankings that decisions need, kept up to date as trials start and end."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from search.oracle.brackets import BracketProgress
from search.oracle.ranking import Ranking
from search.oracle.schedule import Schedule
from search.oracle.trials import StudyTrial
from search.study.confirmation import Confirmations, Confirmed
from search.study.ids import BASELINE, confirmation_of, run_of
from search.study.objective import Objective


class SearchState:
    """Every trial of a study. A change costs the same in a study of ten trials as in one of ten thousand.

    Args:
        schedule: brackets and rungs.
        objective: which way is better.
        trials: those that exist already, in the order in which they were created.

    Attributes:
        trials: by id.
        start_order, end_order: ids.
        completed: the trials that have ended well, the best first, with the baseline and without confirmations.
        scored: the trials that have ended with a score, the best first, failed ones included.
        confirmations: those that have ended.
        config_ids: of the configurations that have a trial in the brackets, or are the baseline.
        brackets: all of them, in the order of the schedule.
        exhausted: whether the space has no further configurations.
    """

    def __init__(self, schedule: Schedule, objective: Objective, trials: Iterable[StudyTrial] = ()) -> None:
        self._schedule = schedule
        self.trials: dict[str, StudyTrial] = {}
        self.start_order: list[str] = []
        self.end_order: list[str] = []
        self.completed = Ranking(objective)
        self.scored = Ranking(objective, by_score=True)
        self.confirmations = Confirmations(objective, schedule.confirm.seeds)
        self.config_ids: set[str] = set()
        self.exhausted = False
        self.brackets = [BracketProgress(bracket, objective) for bracket in schedule.brackets]
        # Only these are asked for a next trial, so that ended brackets cost nothing.
        self._open = dict(enumerate(self.brackets))
        for trial in trials:
            self.add(trial)
            if trial.finished:
                self.end(trial)

    def add(self, trial: StudyTrial) -> None:
        """Take in a trial that has been created."""
        self.trials[trial.trial_id] = trial
        self.start_order.append(trial.trial_id)
        if confirmation_of(trial.trial_id) is None:
            self.config_ids.add(trial.record["config_id"])
        if trial.place is not None:
            self.bracket_of(trial.place.number).start(trial, trial.place)
            self._close(trial.place.number)

    def end(self, trial: StudyTrial) -> None:
        """Take in the end of a trial."""
        self.end_order.append(trial.trial_id)
        if confirmation_of(trial.trial_id) is not None:
            self.confirmations.add(trial.trial_id, trial.score if trial.status == "COMPLETED" else None)
            return
        if trial.status == "COMPLETED":
            self.completed.add(trial)
        if trial.score is not None:
            self.scored.add(trial)
        if trial.place is not None:
            self.bracket_of(trial.place.number).end(trial, trial.place)
            self._close(trial.place.number)

    def finalists(self) -> list[StudyTrial]:
        """The best trial of each configuration that is to be confirmed, the best first, and the baseline."""
        top = self._schedule.confirm.top
        best: dict[str, StudyTrial] = {}
        for trial in self.completed if top else ():
            if trial.place is not None and len(best) < top:
                best.setdefault(run_of(trial.trial_id), trial)
        baseline = [trial for trial in self.completed if trial.trial_id == BASELINE] if top else []
        return [*best.values(), *baseline]

    def confirmed(self) -> Confirmed | None:
        """The winner by the mean over other seeds; None until all finalists have been confirmed."""
        if not self.confirmations:
            return None
        return self.confirmations.winner({run_of(trial.trial_id) for trial in self.finalists()})

    def winner(self) -> StudyTrial | None:
        """The trial that stands for the best configuration: that of the confirmed winner, else the best so far."""
        confirmed = self.confirmed()
        return next(iter(self.completed), None) if confirmed is None else self.trials[confirmed.trial_id]

    def has_decided(self, trial: StudyTrial) -> bool:
        """Whether another trial was promoted after this one had ended, and perhaps only because it had."""
        rungs = [] if trial.place is None else self.bracket_of(trial.place.number).rungs[trial.place.rung + 1 :][:1]
        promoted = (other for rung in rungs for other in rung.started.values())
        ended = trial.record.get("ended") or 0.0  # not known of a trial of an old version
        return any(other.record.get("created", 0.0) >= ended for other in promoted)

    def close_brackets(self) -> None:
        """Drop the brackets that have no more trials to start, such as all unstarted ones of an exhausted space."""
        self._open = {index: each for index, each in self._open.items() if each.is_open(exhausted=self.exhausted)}

    def bracket_of(self, number: int) -> BracketProgress:
        """The bracket that starts a configuration. Raises IndexError for a number beyond the schedule."""
        return self.brackets[self._index_of(number)]

    def open_brackets(self) -> Iterator[BracketProgress]:
        """The brackets that still have trials to start, in their order."""
        return iter(self._open.values())

    def stock_brackets(self) -> tuple[int, int, list[dict[str, Any]]]:
        """Number and iteration of the current bracket, and the open ones, as KerasTuner's `oracle.json` has them."""
        started = [bracket for bracket in self.brackets if bracket.rungs[0].started]
        current = (started[-1] if started else self.brackets[0]).bracket
        still_open = [bracket.stock_state() for bracket in self.open_brackets() if bracket.rungs[0].started]
        return current.number, current.iteration, still_open

    def _close(self, number: int) -> None:
        """Drop a configuration's bracket if it has no more trials to start."""
        if not self.bracket_of(number).is_open(exhausted=self.exhausted):
            self._open.pop(self._index_of(number), None)

    def _index_of(self, number: int) -> int:
        index = self._schedule.index_of(number)
        if index is None:
            raise IndexError(f"configuration {number} is beyond the {self._schedule.configurations} of the schedule")
        return index
