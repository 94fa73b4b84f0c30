"""Which trials confirm the best configurations, once all others have ended."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import chain
from typing import NamedTuple

from search.oracle.points import Values, without_place
from search.oracle.state import SearchState
from search.study.config import ConfirmSection
from search.study.ids import BASELINE, CONTROLS, Confirmation, run_of


class Confirming(NamedTuple):
    """A confirmation that is to be created."""

    confirmation: Confirmation
    values: Values
    config_id: str


def next_confirmation(
    state: SearchState, settings: ConfirmSection, control: Callable[[str, Values], tuple[Values, str]]
) -> Confirming | None:
    """The next trial that trains a configuration again from another seed; None if there is none yet, or no more.

    All finalists come from the first seed, then all from the second, so that a search that is stopped early has
    compared them fairly. The controls follow once the winner is known.

    Args:
        state: of a search whose other trials have all ended.
        settings: of `[confirm]`.
        control: hyperparameters and id of the configuration that a control trains, given the winner's hyperparameters.
    """
    wanted = chain(_finalists(state, settings), _controls(state, settings, control))
    return next((each for each in wanted if each.confirmation.trial_id not in state.trials), None)


def _finalists(state: SearchState, settings: ConfirmSection) -> Iterator[Confirming]:
    finalists = state.finalists()
    for seed in range(1, settings.seeds + 1):
        for trial in finalists:
            values = without_place(trial.hyperparameters.values)
            yield Confirming(Confirmation(run_of(trial.trial_id), seed), values, trial.record["config_id"])


def _controls(
    state: SearchState, settings: ConfirmSection, control: Callable[[str, Values], tuple[Values, str]]
) -> Iterator[Confirming]:
    """The trainings that split the winner's gain into that of its network and that of its recipe."""
    confirmed = state.confirmed()
    if not settings.controls or confirmed is None or confirmed.of == BASELINE:
        return
    values = without_place(state.trials[confirmed.trial_id].hyperparameters.values)
    known = {trial.record["config_id"] for trial in state.finalists()}
    for seed in range(1, settings.seeds + 1):
        for kind in CONTROLS:
            own, config_id = control(kind, values)
            # Such as the winner's network with the default recipe where no recipe is searched: the winner itself.
            if config_id not in known:
                yield Confirming(Confirmation(f"{kind}-{confirmed.of}", seed), own, config_id)
