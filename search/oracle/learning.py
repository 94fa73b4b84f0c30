"""Whether a schedule is long enough for a sampler that learns."""

from __future__ import annotations

from search.oracle.samplers.budgets import enough
from search.oracle.schedule import Schedule
from search.oracle.sight import seen_results


def drawn_by_model(schedule: Schedule, least: int) -> int:
    """How many configurations are drawn with at least so many results at equal epochs, where no trial fails."""
    numbers = range(schedule.configurations)
    return sum(max(seen_results(schedule, number).values(), default=0) >= least for number in numbers)


def learning_advice(schedule: Schedule, dimensions: int) -> str | None:
    """What to say of a schedule that is too short for the sampler to pay; None where it is long enough.

    Args:
        schedule: of the study.
        dimensions: the number of hyperparameters that are searched.
    """
    least, count = enough(dimensions), schedule.configurations
    learnt = drawn_by_model(schedule, least)
    what = f"{least} results at equal epochs ({dimensions} hyperparameters + 3)"
    if not learnt:
        return (
            f"sampler 'tpe' would draw all {count} configurations at random: no draw sees {what}. Raise iterations or "
            "max_epochs, or search fewer hyperparameters."
        )
    last = seen_results(schedule, count - 1)
    longest = max((epochs for epochs, results in last.items() if results >= least), default=0)
    if len({bracket.iteration for bracket in schedule.brackets}) == 1:
        return (
            f"sampler 'tpe' has little to learn from in one iteration: {learnt} of {count} configurations are drawn "
            f"after {what}, the last from trainings of {longest} of {schedule.max_epochs} epochs. It pays from about 3 "
            "iterations on."
        )
    return None
