"""Ids of trials: `0007-1` is configuration 7 at rung 1; the baseline, outside the brackets, has its own name."""

from __future__ import annotations

import re
from typing import NamedTuple

BASELINE = "baseline"
_PLACE = re.compile(r"(\d{4,})-(\d{1,3})")


class Place(NamedTuple):
    """Where a trial stands in the schedule: the number of its configuration in the study, and its rung."""

    number: int
    rung: int

    @property
    def trial_id(self) -> str:
        """The id of the trial at this place."""
        return f"{self.number:04d}-{self.rung}"


def place_of(trial_id: str) -> Place | None:
    """The place that an id names; None for the baseline, which has none, and for text that is not an id."""
    found = _PLACE.fullmatch(trial_id)
    return Place(int(found[1]), int(found[2])) if found else None


def is_trial_id(text: str) -> bool:
    """Whether text, whatever file it was read from, is the id of a trial and so may name a folder of a study."""
    return text == BASELINE or place_of(text) is not None


def ancestors_of(trial_id: str) -> list[str]:
    """The trials of the same configuration at the rungs below, the nearest first."""
    place = place_of(trial_id)
    return [Place(place.number, rung).trial_id for rung in reversed(range(place.rung))] if place else []


def run_of(trial_id: str) -> str:
    """The TensorBoard run of a trial: one per configuration, shared by all of its rungs."""
    place = place_of(trial_id)
    return f"{place.number:04d}" if place else trial_id
