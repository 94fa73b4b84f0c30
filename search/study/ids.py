"""Ids of trials: `0007-1` is configuration 7 at rung 1.

Trials outside the brackets have names: `baseline`, and `confirm-0007-2`, which trains configuration 7 from its second
further seed.
"""

from __future__ import annotations

import re
from typing import NamedTuple

BASELINE = "baseline"
_FOLDER = "trial_"
# Padded to four digits, so that names sort as numbers up to 9999; larger numbers get longer ids.
_PLACE = re.compile(r"(\d{4,})-(\d{1,3})")
# Confirmations of no configuration: the tutorial's network with the winner's recipe, and the winner's network with the
# default recipe.
RECIPE, NETWORK = CONTROLS = ("recipe", "network")
_CONFIRMATION = re.compile(rf"confirm-(\d{{4,}}|{BASELINE}|(?:{RECIPE}|{NETWORK})-\d{{4,}})-(\d{{1,3}})")


class Place(NamedTuple):
    """Where a trial stands in the schedule: the number of its configuration in the study, and its rung."""

    number: int
    rung: int

    @property
    def trial_id(self) -> str:
        """The id of the trial at this place."""
        return f"{self.number:04d}-{self.rung}"


class Confirmation(NamedTuple):
    """What a confirmation trains, and from which further seed.

    Attributes:
        of: the number of a configuration, "baseline", or a control with the number of its winner: "recipe-0007".
        seed: from 1 on.
    """

    of: str
    seed: int

    @property
    def kind(self) -> str:
        """What it is of, without the number of a control's winner."""
        return self.of.partition("-")[0]

    @property
    def trial_id(self) -> str:
        """The id of this confirmation."""
        return f"confirm-{self.of}-{self.seed}"


def is_control(of: str) -> bool:
    """Whether what a confirmation is of is a control."""
    return of.partition("-")[0] in CONTROLS


def confirmation_of(trial_id: str) -> Confirmation | None:
    """The confirmation that an id names; None for other trials, and for text that is not an id."""
    found = _CONFIRMATION.fullmatch(trial_id)
    return Confirmation(found[1], int(found[2])) if found else None


def place_of(trial_id: str) -> Place | None:
    """The place that an id names; None for trials outside the brackets, and for text that is not an id."""
    found = _PLACE.fullmatch(trial_id)
    return Place(int(found[1]), int(found[2])) if found else None


def folder_name(trial_id: str) -> str:
    """The name of a trial's folder in the study, which KerasTuner chose."""
    return f"{_FOLDER}{trial_id}"


def id_of_folder(name: str) -> str:
    """The id of the trial whose folder has this name: the inverse of `folder_name`."""
    return name.removeprefix(_FOLDER)


def is_trial_id(text: str) -> bool:
    """Whether text, whatever file it was read from, is the id of a trial and so may name a folder of a study."""
    return text == BASELINE or place_of(text) is not None or confirmation_of(text) is not None


def ancestors_of(trial_id: str) -> list[str]:
    """The trials of the same configuration at the rungs below, the nearest first."""
    place = place_of(trial_id)
    return [Place(place.number, rung).trial_id for rung in reversed(range(place.rung))] if place else []


def run_of(trial_id: str) -> str:
    """The TensorBoard run of a trial: one per configuration, shared by all of its rungs; each confirmation's own."""
    place = place_of(trial_id)
    return f"{place.number:04d}" if place else trial_id
