"""Points of the search space as plain values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

Values = dict[str, Any]


@dataclass(frozen=True)
class Rejection:
    """Why a point must not take a trial; `measured` names the network if a measurement was needed to know."""

    reason: str
    measured: str | None = None


def without_place(values: Values) -> Values:
    """The hyperparameters alone, without KerasTuner's `tuner/...`, which say where a trial stands."""
    return {name: value for name, value in values.items() if not name.startswith("tuner/")}
