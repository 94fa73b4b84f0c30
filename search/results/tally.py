"""Counts over the trials of a search that have ended, kept as each one ends."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from search.oracle.schedule import Schedule
from search.study.confirmation import Confirmations, Confirmed
from search.study.ids import BASELINE, confirmation_of, place_of, run_of
from search.study.objective import Objective

FAILURES = ("diverged", "out_of_memory", "failed", "lost")

# A row of `trials.csv` with numbers where the file has text.
Row = Mapping[str, Any]


@dataclass(frozen=True)
class RungView:
    """One rung of the bracket `name`: how many of its trials are done, running and failed."""

    name: str
    rung: int
    last_epoch: int
    size: int
    done: int
    running: int
    failed: int


class Tally:
    """What is counted of a search. Each trial costs the same, however many have ended before.

    Args:
        schedule: what the search will run.
        objective: which way is better.
        rows: the trials that have ended.

    Attributes:
        finished: number of trials that have ended.
        epochs: that they have trained, by the schedule.
        baseline: row of the baseline, once it has completed.
        failures: rows of the trials that have failed.
    """

    def __init__(self, schedule: Schedule, objective: Objective, rows: Iterable[Row] = ()) -> None:
        self.schedule, self.objective = schedule, objective
        self.finished = self.epochs = 0
        self.baseline: Row | None = None
        self.failures: list[Row] = []
        self.confirmations = Confirmations(objective, schedule.confirm.seeds)
        self._best: Row | None = None
        self._confirming: dict[str, Row] = {}
        # Of each configuration the row with the best score, the baseline left out.
        self._best_of: dict[str, Row] = {}
        self._times = _Times()
        self._indices = {(each.iteration, each.number): index for index, each in enumerate(schedule.brackets)}
        self._done: Counter[tuple[int, int]] = Counter()
        self._failed: Counter[tuple[int, int]] = Counter()
        self._left = [sum(rung.size for rung in bracket.rungs) for bracket in schedule.brackets]
        self._under_way: set[int] = set()
        self._brackets_done = 0
        for row in rows:
            self.add(row)

    def add(self, row: Row) -> None:
        """Count a trial that has ended."""
        self.finished += 1
        self.epochs += epochs_of(row)
        if confirmation_of(row["trial_id"]) is not None:
            self._confirming[row["trial_id"]] = row
            self.confirmations.add(row["trial_id"], row["score"] if row["status"] == "completed" else None)
        if row["status"] in FAILURES:
            self.failures.append(row)
        else:
            self._add_completed(row)
        self._add_to_rung(row)

    def _add_completed(self, row: Row) -> None:
        self._times.add(row)
        if confirmation_of(row["trial_id"]) is not None:
            return
        if row["trial_id"] == BASELINE:
            self.baseline = row
        if row["score"] is None:
            return
        if self._is_better(row, self._best):
            self._best = row
        run = run_of(row["trial_id"])
        if run != BASELINE and self._is_better(row, self._best_of.get(run)):
            self._best_of[run] = row

    def _is_better(self, row: Row, than: Row | None) -> bool:
        return self.objective.is_better(row["score"], None if than is None else than["score"])

    @property
    def best(self) -> Row | None:
        """Row of the trial that stands for the best configuration.

        That is the confirmed winner's, if there is one; else the best completed trial, the first of equals.
        """
        confirmed = self.confirmed
        return self._best if confirmed is None else self._confirming[confirmed.trial_id]

    @property
    def confirmed(self) -> Confirmed | None:
        """The winner by the mean over other seeds; None until all finalists have been confirmed."""
        top = self.schedule.confirm.top
        if not top or not self._confirming:
            return None
        ranked = sorted(
            self._best_of.values(), key=lambda row: (-self.objective.sign * row["score"], place_of(row["trial_id"]))
        )
        finalists = {run_of(row["trial_id"]) for row in ranked[:top]}
        return self.confirmations.winner(finalists | {BASELINE} if self.baseline is not None else finalists)

    def _add_to_rung(self, row: Row) -> None:
        index = self._index_of(row)
        if index is None:
            return
        self._done[index, row["rung"]] += 1
        self._failed[index, row["rung"]] += row["status"] in FAILURES
        self._left[index] -= 1
        if self._left[index] > 0:
            self._under_way.add(index)
        elif self._left[index] == 0:  # negative if the schedule has become smaller
            self._under_way.discard(index)
            self._brackets_done += 1

    def seconds_left(self, epochs: float, trials: int, workers: int) -> float | None:
        """Estimated time for this many more epochs and trials; None before anything was measured."""
        return self._times.seconds_left(epochs, trials, workers)

    def rungs(self, running: Sequence[Row]) -> list[RungView]:
        """Every rung of the schedule, with the trials that run now."""
        return self._views(range(len(self.schedule.brackets)), running)

    def rungs_under_way(self, running: Sequence[Row]) -> tuple[list[RungView], int, int]:
        """The rungs of the brackets under way; the number of brackets done, and of those that have not begun."""
        begun = self._under_way | {index for row in running if (index := self._index_of(row)) is not None}
        waiting = len(self.schedule.brackets) - self._brackets_done - len(begun)
        return self._views(sorted(begun), running), self._brackets_done, waiting

    def _views(self, indices: Iterable[int], running: Sequence[Row]) -> list[RungView]:
        busy = Counter((self._index_of(row), row["rung"]) for row in running)
        views = []
        for index in indices:
            bracket = self.schedule.brackets[index]
            for number, rung in enumerate(bracket.rungs):
                place = (index, number)
                counts = self._done[place], busy[place], self._failed[place]
                views.append(RungView(bracket.name, number, rung.last_epoch, rung.size, *counts))
        return views

    def _index_of(self, row: Row) -> int | None:
        """The bracket of a trial, by number; None for the baseline, and where the schedule has become smaller."""
        return self._indices.get((row["iteration"], row["bracket"]))


class _Times:
    """What completed trials took. Starting is told apart from training, because first rungs are mostly starting."""

    def __init__(self) -> None:
        self._trials = self._epochs = 0
        self._total = self._training = 0.0

    def add(self, row: Row) -> None:
        if row["total_seconds"]:
            self._trials += 1
            self._epochs += epochs_of(row)
            self._total += row["total_seconds"]
            self._training += row["train_seconds"] or row["total_seconds"]

    def seconds_left(self, epochs: float, trials: int, workers: int) -> float | None:
        if not self._epochs:
            return None
        start = max(0.0, self._total - self._training) / self._trials
        return max(0.0, epochs * self._training / self._epochs + trials * start) / max(1, workers)


def epochs_of(row: Row) -> int:
    """The epochs that a trial trains itself."""
    return int(row["last_epoch"] - row["first_epoch"] + 1)
