"""Whether a trial that was read from a folder is one of a study."""

from __future__ import annotations

from search.oracle.configurations import Configurations
from search.oracle.points import without_place
from search.oracle.positions import position_at, whole_position
from search.oracle.schedule import Schedule
from search.oracle.trials import StudyTrial
from search.study.ids import BASELINE, confirmation_of, is_control


def is_of_study(trial: StudyTrial, schedule: Schedule, configurations: Configurations) -> bool:
    """Whether a trial has a place in the schedule, and its values are the configuration that its record names.

    Its place follows from its id, whatever its file says: it is written into its hyperparameters anew.
    """
    values = without_place(trial.hyperparameters.values)
    if trial.place is None:
        trial.hyperparameters.values = values | whole_position(schedule)
        confirmation = confirmation_of(trial.trial_id)
        # The baseline and the controls need not lie in the space.
        if confirmation is None or confirmation.of == BASELINE or is_control(confirmation.of):
            return True
    else:
        index = schedule.index_of(trial.place.number)
        if index is None or trial.place.rung >= len(schedule.brackets[index].rungs):
            return False
        trial.hyperparameters.values = values | position_at(schedule.brackets[index], trial.place)
    try:
        return configurations.id_of(values) == trial.record["config_id"]
    except (ValueError, TypeError, KeyError):
        return False
