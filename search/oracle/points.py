"""Points of the search space as plain values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

Values = dict[str, Any]


class Observation(NamedTuple):
    """What a trial gave.

    Attributes:
        values: the hyperparameters that exist at its point.
        epochs: of its configuration when it had ended, those of the rungs below included.
        score: more is better; None where it has failed.
    """

    values: Values
    epochs: int
    score: float | None


class Seen(NamedTuple):
    """What the draw of a configuration may know of the search.

    Attributes:
        observations: in the order of the schedule, whatever the order in which trials end.
        pending: points that were drawn just before, whose results it may not know yet.
    """

    observations: Sequence[Observation] = ()
    pending: Sequence[Values] = ()


NOTHING = Seen()


@dataclass(frozen=True)
class Rejection:
    """Why a point must not take a trial; `measured` names the network if a measurement was needed to know."""

    reason: str
    measured: str | None = None


def without_place(values: Values) -> Values:
    """The hyperparameters alone, without KerasTuner's `tuner/...`, which say where a trial stands."""
    return {name: value for name, value in values.items() if not name.startswith("tuner/")}
