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

    def is_better(self, value: float, than: float | None) -> bool:
        """Whether a value is better than another one, or the first; NaN is never better."""
        return value == value and (than is None or self.sign * value > self.sign * than)


def direction_of(metric: str) -> Direction:
    """The losses are minimized; every other metric, such as the IoU of a class named `forest_loss`, is maximized."""
    return "min" if metric in ("loss", "val_loss") else "max"


def objective_of(metric: str) -> Objective:
    """The objective that a metric is."""
    return Objective(metric, direction_of(metric))
