"""Promotion rules choose the trials that continue at the next rung, one module each (see `search.study.choices`)."""

from __future__ import annotations

from typing import Protocol

from search.oracle.brackets import RungProgress
from search.oracle.trials import StudyTrial


class Promotion(Protocol):
    """Decides which trials of a rung continue at the next one. It is asked again whenever a trial has ended."""

    def choose(self, rung: RungProgress, *, expected: int, places: int) -> StudyTrial | None:
        """The trial that continues now; None where no trial may yet.

        Args:
            rung: the trials so far, with those that were promoted before.
            expected: the number of trials that the rung will have.
            places: the number of trials planned for the next rung.
        """

    def may_choose(self, trial: StudyTrial, rung: RungProgress, *, places: int) -> bool:
        """Whether a trial of `rung` that has ended can still be promoted; if not, its checkpoint may go."""


__all__ = ["Promotion"]
