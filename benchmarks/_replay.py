"""Searches of a table of trained configurations: each side as it is, except that its trials are looked up."""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras_tuner
import numpy as np
import optuna
from keras_tuner.engine import hyperparameters as kinds
from keras_tuner.oracles import HyperbandOracle

from benchmarks._virtual import MEMORY, make_oracle, run
from benchmarks.tables.nearest import Nearest, NearestSampler
from benchmarks.tables.table import OBJECTIVE, Table
from search.oracle.points import NOTHING, Values, without_place
from search.oracle.samplers.random import RandomSampler
from search.study.choices import LEARNING, SAMPLERS, load_choice
from search.study.config import HyperbandSection
from search.study.scoring import ScoreRule, score_of

FACTOR = 3
# More than one search draws.
FAR_APART = 1_000_000


class Search:
    """What all sides share in one search: the table, the seed, and the best trial so far.

    Args:
        table: of trained configurations.
        seed: of the search; which of a configuration's trainings it sees follows from it, the same one on all sides.
        iterations: of Hyperband.
        rule: what a trial's score is.

    Attributes:
        epochs: that all trials had trained after each of them.
        regrets: after each trial, how much better the best configuration of the table is than that of the highest score
            so far.
    """

    def __init__(self, table: Table, seed: int, iterations: int, rule: ScoreRule = "best") -> None:
        self.table, self.seed, self.rule = table, seed, rule
        self.nearest, self.space = Nearest(table), table.hyperparameters()
        self.max_epochs = table.val.shape[2]
        self.band = HyperbandSection(max_epochs=self.max_epochs, factor=FACTOR, iterations=iterations, baseline=False)
        self.epochs: list[int] = []
        self.regrets: list[float] = []
        self._best = -np.inf
        self._good = table.final_test()

    def train(self, number: int, first: int, last: int) -> list[tuple[int, float]]:
        """Epochs and validation scores of a trial; it continues after epoch `first`."""
        seed = np.random.default_rng([self.seed, number]).integers(self.table.val.shape[1])
        return [(epoch, float(self.table.val[number, seed, epoch - 1])) for epoch in range(first + 1, last + 1)]

    def end(self, number: int, values: list[tuple[int, float]]) -> float:
        """Take note of a trial that has ended; returns its score."""
        score = score_of(values, self.rule, OBJECTIVE)
        assert score is not None  # every value is a number
        regret = self.regrets[-1] if self.regrets else np.inf
        if score.value > self._best:
            self._best, regret = score.value, float(self._good.max() - self._good[number])
        self.epochs.append((self.epochs[-1] if self.epochs else 0) + len(values))
        self.regrets.append(regret)
        return score.value

    def at(self, epochs: int) -> float:
        """The regret after so many epochs."""
        return self.regrets[max(0, int(np.searchsorted(self.epochs, epochs, side="right")) - 1)]


def ours(search: Search, sampler: str) -> None:
    """The oracle of a study."""
    with tempfile.TemporaryDirectory(dir=MEMORY) as folder:
        oracle = make_oracle(
            search.space,
            search.band,
            OBJECTIVE,
            NearestSampler(load_choice(SAMPLERS, sampler)(search.space, search.seed), search.nearest),
            lambda values: str(search.nearest.number_of(values)),
            seed=search.seed,
            learns=sampler in LEARNING,
            score=search.rule,
            folder=folder,
        )
        for _, trial in run(oracle, 1, []):
            number = int(trial.record["config_id"])
            values = search.train(number, *_epochs_of(trial.hyperparameters.values))
            rows = [{"epoch": epoch, OBJECTIVE.name: value} for epoch, value in values]
            oracle.report(trial.trial_id, rows, (OBJECTIVE.name,))
            oracle.finish(trial.trial_id, "COMPLETED")
            search.end(number, values)


class StockOracle(HyperbandOracle):
    """KerasTuner's, whose random draws stand for the nearest configurations of a table."""

    def __init__(self, search: Search) -> None:
        self._nearest, self._taken = search.nearest, set[int]()
        super().__init__(
            keras_tuner.Objective(*OBJECTIVE),
            max_epochs=search.band.max_epochs,
            factor=search.band.factor,
            hyperband_iterations=search.band.iterations,
            # Each draw counts one up from the seed, so near seeds draw the same; 0 would be replaced by a random one.
            seed=1 + FAR_APART * search.seed,
            hyperparameters=search.space,
        )
        self.verbose = 0

    def _random_values(self) -> Values | None:
        drawn = super()._random_values()
        number = None if drawn is None else self._nearest.free(drawn, self._taken)
        if number is None:
            return None
        self._taken.add(number)
        return self._nearest.values_of(number)


def stock(search: Search) -> None:
    """KerasTuner's own oracle, which its tuner would call in the same way."""
    with tempfile.TemporaryDirectory(dir=MEMORY) as folder:
        oracle = StockOracle(search)
        oracle._set_project_dir(str(Path(folder)), "stock")
        for trial in iter(lambda: oracle.create_trial("tuner0"), None):
            if trial.status != "RUNNING":
                return
            number = search.nearest.number_of(without_place(trial.hyperparameters.values))
            values = search.train(number, *_epochs_of(trial.hyperparameters.values))
            for epoch, value in values:
                oracle.update_trial(trial.trial_id, {OBJECTIVE.name: value}, step=epoch)
            trial.status = "COMPLETED"
            oracle.end_trial(trial)
            search.end(number, values)


def _epochs_of(values: Values) -> tuple[int, int]:
    return int(values["tuner/initial_epoch"]), int(values["tuner/epochs"])


def whole_trials(search: Search, total: int) -> None:
    """Random draws, each trained for all epochs."""
    sampler, taken = RandomSampler(search.space, search.seed), set[int]()
    for draw in range(total // search.max_epochs):
        number = search.nearest.free(sampler.propose(draw, 0, NOTHING), taken)
        if number is None:
            return
        taken.add(number)
        search.end(number, search.train(number, 0, search.max_epochs))


class NearestTpe(optuna.samplers.TPESampler):
    """Optuna's, whose proposals stand for the nearest configurations of a table; it learns which these are."""

    def __init__(self, search: Search) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            # As Optuna's documentation has it where some hyperparameters depend on others.
            super().__init__(multivariate=True, group=True, seed=search.seed)
        self._search, self._chosen = search, dict[int, int]()

    def infer_relative_search_space(self, study: optuna.Study, trial: optuna.trial.FrozenTrial) -> dict[str, Any]:
        return {}  # so that every hyperparameter is asked for below

    def sample_relative(
        self, study: optuna.Study, trial: optuna.trial.FrozenTrial, search_space: dict[str, Any]
    ) -> dict[str, Any]:
        return {}

    def sample_independent(
        self, study: optuna.Study, trial: optuna.trial.FrozenTrial, param_name: str, param_distribution: Any
    ) -> Any:
        if trial.number not in self._chosen:
            number = self._search.nearest.free(self._propose(study, trial), self._chosen.values())
            assert number is not None  # no more trials are asked for than the table has configurations
            self._chosen[trial.number] = number
        return self._search.nearest.values_of(self._chosen[trial.number])[param_name]

    def _propose(self, study: optuna.Study, trial: optuna.trial.FrozenTrial) -> Values:
        joint = super().sample_relative(study, trial, super().infer_relative_search_space(study, trial))
        proposed: Values = {}
        for each in self._search.space.space:
            if all(condition.is_active(proposed) for condition in each.conditions):
                alone = each.name not in joint
                draw = super().sample_independent
                proposed[each.name] = (
                    draw(study, trial, each.name, distribution_of(each)) if alone else joint[each.name]
                )
        return proposed


def distribution_of(hyperparameter: Any) -> optuna.distributions.BaseDistribution:
    """A KerasTuner hyperparameter as a user of Optuna would write it."""
    if isinstance(hyperparameter, kinds.Int):
        return optuna.distributions.IntDistribution(hyperparameter.min_value, hyperparameter.max_value)
    if isinstance(hyperparameter, kinds.Float):
        is_log = hyperparameter.sampling == "log"
        return optuna.distributions.FloatDistribution(hyperparameter.min_value, hyperparameter.max_value, log=is_log)
    return optuna.distributions.CategoricalDistribution(hyperparameter.values)


def optunas(search: Search, total: int) -> None:
    """Optuna's own TPE and Hyperband, for as many epochs."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    pruner = optuna.pruners.HyperbandPruner(1, search.max_epochs, FACTOR)
    study = optuna.create_study(direction="maximize", sampler=NearestTpe(search), pruner=pruner)
    for _ in search.table.values:
        trial = study.ask()
        number = _suggested(search, trial)
        score, ended = float("nan"), optuna.trial.TrialState.COMPLETE
        for first, last in _stages(search.max_epochs):
            score = search.end(number, search.train(number, first, last))
            trial.report(score, last)
            if last < search.max_epochs and trial.should_prune():
                ended = optuna.trial.TrialState.PRUNED
                break
        study.tell(trial, score if ended == optuna.trial.TrialState.COMPLETE else None, state=ended)
        if search.epochs[-1] >= total:
            return


def _suggested(search: Search, trial: optuna.Trial) -> int:
    values: Values = {}
    for each in search.space.space:
        if all(condition.is_active(values) for condition in each.conditions):
            values[each.name] = trial._suggest(each.name, distribution_of(each))
    return search.nearest.number_of(values)


def _stages(max_epochs: int) -> Iterator[tuple[int, int]]:
    first, last = 0, 1
    while last <= max_epochs:
        yield first, last
        first, last = last, last * FACTOR
