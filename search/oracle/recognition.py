"""Whether a trial that was read from a folder is one of a study."""

from __future__ import annotations

from search.oracle.configurations import Configurations
from search.oracle.points import without_place
from search.oracle.positions import baseline_position, position_at
from search.oracle.schedule import Schedule
from search.oracle.trials import StudyTrial


def is_of_study(trial: StudyTrial, schedule: Schedule, configurations: Configurations) -> bool:
    """Whether a trial has a place in the schedule, and its values are the configuration that its record names.

    Its place follows from its id, whatever its file says: it is written into its hyperparameters anew.
    """
    values = without_place(trial.hyperparameters.values)
    if trial.place is None:
        trial.hyperparameters.values = values | baseline_position(schedule)
        return True
    index = schedule.index_of(trial.place.number)
    if index is None or trial.place.rung >= len(schedule.brackets[index].rungs):
        return False
    trial.hyperparameters.values = values | position_at(schedule.brackets[index], trial.place)
    try:
        return configurations.id_of(values) == trial.record["config_id"]
    except (ValueError, TypeError, KeyError):
        return False
