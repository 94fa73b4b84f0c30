"""The metric that a study optimizes, and which way is better."""

from __future__ import annotations

from typing import Literal, NamedTuple

Direction = Literal["min", "max"]


class Objective(NamedTuple):
    """A metric of `epochs.csv`, and whether its smallest or its largest value is the best."""

    name: str
    direction: Direction

    @property
    def sign(self) -> float:
        """What a value is multiplied by so that more is better: 1 or -1."""
        return 1.0 if self.direction == "max" else -1.0

    @property
    def is_minimized(self) -> bool:
        """Whether the smallest value is the best, so that the best come first in ascending order."""
        return self.direction == "min"

    def gain(self, value: float, over: float) -> float:
        """How much better a value is than another one; negative where it is worse."""
        return self.sign * (value - over)

    def is_better(self, value: float, than: float | None) -> bool:
        """Whether a value is better than another one, or the first; NaN is never better."""
        return value == value and (than is None or self.sign * value > self.sign * than)


def direction_of(metric: str) -> Direction:
    """Which value of a metric is the best: a loss is minimized, every other metric is maximized.

    A class may be named `forest_loss`; its IoU is not a loss.
    """
    return "min" if metric in ("loss", "val_loss") else "max"


def objective_of(metric: str) -> Objective:
    """The objective that a metric is."""
    return Objective(metric, direction_of(metric))
