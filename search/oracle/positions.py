"""Where a trial stands in the schedule, as the `tuner/...` values that KerasTuner keeps beside the hyperparameters."""

from __future__ import annotations

from search.oracle.points import Values
from search.oracle.schedule import Bracket, Schedule
from search.study.ids import Place


def position_at(bracket: Bracket, place: Place) -> Values:
    """The values of the trial at a place: epochs, bracket, rung, iteration, and the trial that it continues."""
    rung = bracket.rungs[place.rung]
    # The keys are KerasTuner's, which counts epochs from 0: the first to train is `initial_epoch` + 1.
    values: Values = {
        "tuner/epochs": rung.last_epoch,
        "tuner/initial_epoch": rung.first_epoch,
        "tuner/bracket": bracket.number,
        "tuner/round": place.rung,
        "tuner/iteration": bracket.iteration,
    }
    if place.rung:
        values["tuner/trial_id"] = Place(place.number, place.rung - 1).trial_id
    return values


def whole_position(schedule: Schedule) -> Values:
    """The values of a trial outside the brackets, which trains from the start to the end of the schedule."""
    return {"tuner/initial_epoch": 0, "tuner/epochs": schedule.max_epochs}
