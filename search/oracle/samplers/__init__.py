"""Samplers choose the points of the search space, one module each (see `search.study.choices`)."""

from __future__ import annotations

from typing import Protocol

from search.oracle.points import Seen, Values


class Sampler(Protocol):
    """Proposes points of a search space. It is constructed as `Sampler(space, seed)`.

    What it proposes must follow from the space, the seed and its arguments, not from the time, the number of workers or
    what was asked before, so that a study that continues proposes the same points again.
    """

    def propose(self, number: int, attempt: int, seen: Seen) -> Values:
        """A point for configuration `number`, with its active hyperparameters alone.

        Args:
            number: of the configuration, counted from 0 over the whole study.
            attempt: counts the points proposed before for this number that were rejected or not new.
            seen: what is known by then, which follows from the schedule (see `search.oracle.sight`); nothing, unless
                the sampler is in `search.study.choices.LEARNING`.
        """


__all__ = ["Sampler"]
