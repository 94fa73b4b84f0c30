"""The model of the search: Optuna's TPE over results at equal epochs, in memory, anew for each draw."""

from __future__ import annotations

import math
import warnings
from collections.abc import Container, Iterable, Sequence
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.storages import InMemoryStorage
from optuna.trial import FrozenTrial, TrialState

from search.oracle.points import Observation, Values
from search.oracle.samplers.axes import Axis

optuna.logging.set_verbosity(optuna.logging.WARNING)


class _Past(InMemoryStorage):
    """A storage that holds trials which were made elsewhere; Optuna's own would copy each of them."""

    def __init__(self, trials: Sequence[FrozenTrial]) -> None:
        super().__init__()
        self._past = trials

    def get_all_trials(
        self, study_id: int, deepcopy: bool = True, states: Container[TrialState] | None = None
    ) -> list[FrozenTrial]:
        own = super().get_all_trials(study_id, deepcopy, states)
        return [*(trial for trial in self._past if states is None or trial.state in states), *own]


def propose(axes: Sequence[Axis], observations: Iterable[Observation], pending: Iterable[Values], seed: int) -> Values:
    """A point where good results are likelier than bad ones (Bergstra et al. 2011, multivariate as in BOHB).

    Args:
        axes: of the space.
        observations: at equal epochs; failed ones count as the worst.
        pending: points whose results are not known yet; they repel like bad ones (constant liar).
        seed: of this draw.
    """
    distributions = {axis.name: _distribution(axis) for axis in axes}
    # From 1 on: Optuna tells a trial from the one that is drawn by its number, and that one has 0.
    results = [(each.values, math.inf if each.score is None else -each.score) for each in observations]
    past = [_trial(number, *each, distributions, axes) for number, each in enumerate(results, start=1)]
    past += [_trial(number, each, None, distributions, axes) for number, each in enumerate(pending, len(past) + 1)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)  # of `group`
        sampler = optuna.samplers.TPESampler(n_startup_trials=1, multivariate=True, group=True, seed=seed)
    trial = optuna.create_study(storage=_Past(past), sampler=sampler).ask()
    values: Values = {}
    for axis in axes:
        if axis.exists_at(values):
            values[axis.name] = _suggested(trial, axis)
    return values


def _distribution(axis: Axis) -> BaseDistribution:
    if axis.values is None:
        return FloatDistribution(0.0, 1.0)
    if axis.is_ordered:
        return IntDistribution(0, len(axis.values) - 1)
    return CategoricalDistribution(range(len(axis.values)))


def _suggested(trial: optuna.Trial, axis: Axis) -> Any:
    if axis.values is None:
        return axis.value_at(trial.suggest_float(axis.name, 0.0, 1.0))
    last = len(axis.values) - 1
    if axis.is_ordered:
        return axis.values[trial.suggest_int(axis.name, 0, last)]
    return axis.values[trial.suggest_categorical(axis.name, range(last + 1))]


def _coordinate(axis: Axis, value: Any) -> float:
    return axis.place_of(value) if axis.values is None else axis.values.index(value)


def _trial(
    number: int, values: Values, loss: float | None, distributions: dict[str, BaseDistribution], axes: Sequence[Axis]
) -> FrozenTrial:
    known = [axis for axis in axes if axis.name in values]
    return FrozenTrial(
        number=number,
        trial_id=number,
        state=TrialState.RUNNING if loss is None else TrialState.COMPLETE,
        value=loss,
        values=None,
        datetime_start=None,
        datetime_complete=None,
        params={axis.name: _coordinate(axis, values[axis.name]) for axis in known},
        distributions={axis.name: distributions[axis.name] for axis in known},
        user_attrs={},
        system_attrs={},
        intermediate_values={},
    )
