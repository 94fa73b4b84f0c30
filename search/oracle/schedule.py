"""Hyperband's plan: iterations, brackets, rungs, and which configuration starts where.

Li et al. 2018, "Hyperband: A Novel Bandit-Based Approach to Hyperparameter Optimization", algorithm 1, with the
sizes and epochs that KerasTuner's oracle computes (a test holds them equal).
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property

from search.study.config import ConfirmSection, HyperbandSection
from search.study.ids import CONTROLS

NO_CONFIRMATION = ConfirmSection()


@dataclass(frozen=True)
class Rung:
    """`size` trials of one bracket that train from `first_epoch` (done before) to `last_epoch`."""

    size: int
    first_epoch: int
    last_epoch: int


@dataclass(frozen=True)
class Bracket:
    """One successive halving. Its configurations are numbered from `first_config` on, over the whole search."""

    iteration: int
    number: int
    first_config: int
    rungs: tuple[Rung, ...]

    @property
    def name(self) -> str:
        """The bracket as people are shown it; the iteration is named from the second on."""
        return f"{self.number}" if self.iteration == 0 else f"{self.number} (iteration {self.iteration + 1})"


@dataclass(frozen=True)
class Schedule:
    """Every bracket in the order in which they start; the baseline and the confirmations stand outside."""

    brackets: tuple[Bracket, ...]
    max_epochs: int
    baseline: bool
    confirm: ConfirmSection = NO_CONFIRMATION

    def index_of(self, number: int) -> int | None:
        """The index of the bracket that starts a configuration; None for a number beyond the schedule."""
        return bisect_right(self._first_configs, number) - 1 if 0 <= number < self.configurations else None

    def limited_to(self, configurations: int) -> Schedule:
        """The schedule, cut down to the configurations of a space that holds only this many."""
        brackets = []
        for bracket in self.brackets:
            count = min(bracket.rungs[0].size, configurations - bracket.first_config)
            if count > 0:
                rungs = tuple(replace(rung, size=min(rung.size, count)) for rung in bracket.rungs)
                brackets.append(replace(bracket, rungs=rungs))
        return replace(self, brackets=tuple(brackets))

    @cached_property
    def trials(self) -> int:
        """Number of trials, the baseline and the confirmations included."""
        return sum(rung.size for _, rung in self._rungs()) + self.baseline + self.confirmations

    @cached_property
    def confirmations(self) -> int:
        """Number of trials that train again from other seeds."""
        if not self.confirm.top:
            return 0
        confirmed = min(self.confirm.top, self.configurations) + self.baseline
        return self.confirm.seeds * (confirmed + len(CONTROLS) * self.confirm.controls)

    @cached_property
    def rungs(self) -> int:
        """Number of rungs of all brackets."""
        return sum(len(bracket.rungs) for bracket in self.brackets)

    @cached_property
    def configurations(self) -> int:
        """Number of configurations that the brackets draw."""
        return sum(bracket.rungs[0].size for bracket in self.brackets)

    @cached_property
    def epochs(self) -> int:
        """Number of epochs really trained: promotions continue, so a rung costs its last minus its first epoch."""
        trained = sum(rung.size * (rung.last_epoch - rung.first_epoch) for _, rung in self._rungs())
        return trained + self.max_epochs * (self.baseline + self.confirmations)

    @cached_property
    def _first_configs(self) -> list[int]:
        return [bracket.first_config for bracket in self.brackets]

    def _rungs(self) -> Iterator[tuple[Bracket, Rung]]:
        return ((bracket, rung) for bracket in self.brackets for rung in bracket.rungs)


def make_schedule(hyperband: HyperbandSection, confirm: ConfirmSection = NO_CONFIRMATION) -> Schedule:
    """The schedule of a study's `[hyperband]` and `[confirm]`."""
    brackets: list[Bracket] = []
    config = 0
    for iteration in range(hyperband.iterations):
        # The bracket with the most configurations first, as in algorithm 1.
        for number in reversed(range(_bracket_count(hyperband))):
            rungs = _rungs(number, hyperband.max_epochs, hyperband.factor)
            brackets.append(Bracket(iteration, number, config, rungs))
            config += rungs[0].size
    return Schedule(tuple(brackets), hyperband.max_epochs, hyperband.baseline, confirm)


def _bracket_count(hyperband: HyperbandSection) -> int:
    """Brackets, as many as halvings from `max_epochs` stay at or above `min_epochs`."""
    epochs, count = float(hyperband.max_epochs), 0
    # By division, as KerasTuner does, and not by a logarithm, which rounding may put just below a whole number.
    while epochs >= hyperband.min_epochs:
        epochs /= hyperband.factor
        count += 1
    return count


def _rungs(bracket: int, max_epochs: int, factor: int) -> tuple[Rung, ...]:
    # KerasTuner's formulas: every bracket costs about the same, and ends with this many trials at `max_epochs`.
    # The paper has `floor(log) + 1` in place of `ceil(1 + log)`, and rounds the sizes of rungs down, not up.
    last_size = math.ceil(1 + math.log(max_epochs, factor)) / (bracket + 1)
    sizes = [math.ceil(last_size * factor ** (bracket - rung)) for rung in range(bracket + 1)]
    epochs = [0] + [math.ceil(max_epochs / factor ** (bracket - rung)) for rung in range(bracket + 1)]
    return tuple(Rung(size, first, last) for size, first, last in zip(sizes, epochs, epochs[1:], strict=False))
