"""Samplers choose the points of the search space, one module each (see `search.study.choices`)."""

from __future__ import annotations

from typing import Protocol

from search.oracle.points import Values


class Sampler(Protocol):
    """Proposes points of a search space. It is constructed as `Sampler(space, seed)`.

    What it proposes must follow from the space, the seed and its arguments, not from the time or the number of workers,
    so that a study that continues proposes the same points again.
    """

    def propose(self, number: int, attempt: int) -> Values:
        """A point for configuration `number`, with its active hyperparameters alone.

        Args:
            number: of the configuration, counted from 0 over the whole study.
            attempt: counts the points proposed before for this number that were rejected or not new.
        """


__all__ = ["Sampler"]
