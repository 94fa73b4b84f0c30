"""The oracle: KerasTuner's Hyperband oracle, made exact.

Its whole state is its trials. Which trial comes next follows from the schedule and the trials alone, so a restart, a
lost file or the order in which workers finish changes nothing, and `oracle.json` is written for stock KerasTuner only.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any

import keras_tuner
import numpy as np
from keras_tuner.oracles import HyperbandOracle
from keras_tuner.src.engine.metrics_tracking import MetricsTracker
from keras_tuner.src.engine.trial import Trial

from search.files import read_json, write_json
from search.schedule import Bracket, Schedule
from search.study import BASELINE, Study

# Draws of one configuration before the space counts as exhausted, and networks measured for it, which takes seconds.
MAX_DRAWS = 1000
MAX_MEASURED = 100

Values = dict[str, Any]


@dataclass(frozen=True)
class Rejection:
    """Why a point must not take a trial; `measured` names the network where it took a measurement to know."""

    reason: str
    measured: str | None = None


class StudyTrial(Trial):
    """A KerasTuner trial with a `record`: what the ledger says of it beyond KerasTuner's own fields."""

    def __init__(self, hyperparameters: Any, trial_id: str | None = None, **kwargs: Any) -> None:
        super().__init__(hyperparameters, trial_id, **kwargs)
        self.record: dict[str, Any] = {}

    def get_state(self) -> dict[str, Any]:
        return {**super().get_state(), "record": self.record}

    def set_state(self, state: Mapping[str, Any]) -> None:
        super().set_state(state)
        self.record = state.get("record", {})

    @property
    def finished(self) -> bool:
        """Whether nothing more will be run of this trial."""
        return self.status in ("COMPLETED", "FAILED")

    @property
    def place(self) -> tuple[int, int] | None:
        """(configuration number, rung), or None for the baseline."""
        if self.trial_id == BASELINE:
            return None
        number, _, rung = self.trial_id.partition("-")
        return int(number), int(rung)

    @property
    def parent_id(self) -> str | None:
        """The trial that this one continues."""
        return self.hyperparameters.values.get("tuner/trial_id")


class StudyOracle(HyperbandOracle):
    """Decides which trial runs next, as one study's only source of truth.

    Differences from `keras_tuner.oracles.HyperbandOracle`:

    - a configuration is drawn from seed and number alone, never from what happened before;
    - trial ids are `<configuration>-<rung>` (`0007-0` is promoted to `0007-1`);
    - a failed trial counts as finished with the worst score, so rungs keep their sizes;
    - every file is replaced atomically, and the trials' files are enough to go on from.

    Args:
        objective: name and direction.
        hyperparameters: the declared search space.
        schedule: brackets and rungs.
        seed: of the draws.
        reject: `(values) -> Rejection`, for points that must not take a trial (limits, degenerate rates); else None.
        config_id: `(values) -> str`, equal for points that are the same configuration.
    """

    def __init__(
        self,
        objective: keras_tuner.Objective,
        hyperparameters: keras_tuner.HyperParameters,
        schedule: Schedule,
        *,
        factor: int,
        iterations: int,
        min_epochs: int,
        seed: int,
        reject: Callable[[Values], Rejection | None],
        config_id: Callable[[Values], str],
    ) -> None:
        super().__init__(
            objective,
            max_epochs=schedule.max_epochs,
            factor=factor,
            hyperband_iterations=iterations,
            seed=seed,
            hyperparameters=hyperparameters,
        )
        self.seed = seed  # KerasTuner replaces a seed of 0 by a random one.
        self.min_epochs = min_epochs
        self.schedule = schedule
        self.verbose = 0
        self.trials: dict[str, StudyTrial] = {}
        self.ongoing_trials: dict[str, StudyTrial] = {}
        self._reject = reject
        self._config_id = config_id
        self._exhausted = False
        # Reason -> points that the last preview did not take.
        self.rejected: Counter[str] = Counter()

    # Choosing

    def create_trial(self, tuner_id: str) -> StudyTrial:
        """The next trial to run, `RUNNING`; or an empty one that says `IDLE` (wait) or `STOPPED` (all is done)."""
        for bracket in self.schedule.brackets:
            chosen = self._first_rung(bracket) or self._promotion(bracket)
            if chosen is not None:
                trial_id, values, config_id = chosen
                return self._start(tuner_id, trial_id, values, config_id)
        waiting = any(not trial.finished for trial in self.trials.values())
        return StudyTrial(self.hyperparameters.copy(), "", status="IDLE" if waiting else "STOPPED")

    def create_baseline(self, tuner_id: str, values: Values, config_id: str) -> StudyTrial:
        """The trial outside the brackets that everything is compared with."""
        epochs = {"tuner/initial_epoch": 0, "tuner/epochs": self.schedule.max_epochs}
        return self._start(tuner_id, BASELINE, values | epochs, config_id)

    def _start(self, tuner_id: str, trial_id: str, values: Values, config_id: str) -> StudyTrial:
        hyperparameters = self.hyperparameters.copy()
        hyperparameters.values = values
        trial = StudyTrial(hyperparameters, trial_id)
        trial.record = {"config_id": config_id, "status": "queued", "attempts": 0, "created": time.time()}
        self.trials[trial_id] = trial
        self.start_order.append(trial_id)
        self.ongoing_trials[tuner_id] = trial
        self.save_trial(trial)
        self.save()
        return trial

    def _first_rung(self, bracket: Bracket) -> tuple[str, Values, str] | None:
        for number in range(bracket.first_config, bracket.first_config + bracket.rungs[0].size):
            trial_id = f"{number:04d}-0"
            if trial_id in self.trials:
                continue
            taken = {trial.record["config_id"] for trial in self.trials.values()}
            drawn = None if self._exhausted else self._draw(number, taken, Counter())
            if drawn is None:
                self._exhausted = True
                return None
            values, config_id = drawn
            return trial_id, values | self._position(bracket, 0), config_id
        return None

    def _promotion(self, bracket: Bracket) -> tuple[str, Values, str] | None:
        for rung in range(1, len(bracket.rungs)):
            past = self._rung(bracket, rung - 1)
            promoted = {trial.parent_id for trial in self._rung(bracket, rung)}
            candidates = [trial for trial in past if trial.finished and trial.trial_id not in promoted]
            past_size = self._expected_size(bracket, rung - 1)
            # The best of these is beaten by fewer unfinished ones than will be promoted: it is truly at the top.
            if len(promoted) < bracket.rungs[rung].size and len(candidates) > past_size - bracket.rungs[rung].size:
                best = min(candidates, key=self._rank, default=None)
                if best is not None and best.status == "COMPLETED":
                    number = best.place[0] if best.place else 0
                    values = _without_tuner(best.hyperparameters.values) | self._position(bracket, rung)
                    values["tuner/trial_id"] = best.trial_id
                    return f"{number:04d}-{rung}", values, best.record["config_id"]
        return None

    def _expected_size(self, bracket: Bracket, rung: int) -> int:
        """Trials that a rung will have: as planned, or fewer where the space or the survivors ran out."""
        size = bracket.rungs[rung].size
        if rung == 0:
            return min(size, len(self._rung(bracket, 0))) if self._exhausted else size
        past = self._rung(bracket, rung - 1)
        if len(past) < self._expected_size(bracket, rung - 1) or not all(trial.finished for trial in past):
            return size
        return min(size, sum(trial.status == "COMPLETED" for trial in past))

    def _rung(self, bracket: Bracket, rung: int) -> list[StudyTrial]:
        numbers = range(bracket.first_config, bracket.first_config + bracket.rungs[0].size)
        ids = (f"{number:04d}-{rung}" for number in numbers)
        return [self.trials[trial_id] for trial_id in ids if trial_id in self.trials]

    def _position(self, bracket: Bracket, rung: int) -> Values:
        return {
            "tuner/epochs": bracket.rungs[rung].last_epoch,
            "tuner/initial_epoch": bracket.rungs[rung].first_epoch,
            "tuner/bracket": bracket.number,
            "tuner/round": rung,
            "tuner/iteration": bracket.iteration,
        }

    def _rank(self, trial: StudyTrial) -> tuple[bool, float, str]:
        """Sorts the best first; failures last; equal scores by configuration number."""
        if trial.status != "COMPLETED" or trial.score is None:
            return True, 0.0, trial.trial_id
        sign = -1.0 if self.objective.direction == "max" else 1.0
        return False, sign * float(trial.score), trial.trial_id

    # Drawing

    def preview(self, taken: AbstractSet[str] = frozenset()) -> list[Values]:
        """The configurations that the brackets will draw, in order; fewer than planned where the space has no more.

        `taken` holds the ids of configurations that are not drawn, such as the baseline's.
        """
        taken = set(taken)
        found = []
        self.rejected.clear()
        for number in range(self.schedule.configurations):
            drawn = self._draw(number, taken, self.rejected)
            if drawn is None:
                break
            values, config_id = drawn
            taken.add(config_id)
            found.append(values)
        return found

    def _draw(self, number: int, taken: set[str], rejected: Counter[str]) -> tuple[Values, str] | None:
        """Values and id of configuration `number`, new and not rejected; None where the space has no more."""
        measured: set[str] = set()
        for attempt in range(MAX_DRAWS):
            values = draw_values(self.hyperparameters, [self.seed, number, attempt])
            config_id = self._config_id(values)
            if config_id in taken:
                continue
            rejection = self._reject(values)
            if rejection is None:
                return values, config_id
            rejected[rejection.reason] += 1
            measured |= {rejection.measured} if rejection.measured else set()
            # Distinct networks, not new measurements: a continued study must give up at the same draw.
            if len(measured) == MAX_MEASURED:
                break
        return None

    # Finishing

    def report(self, trial_id: str, rows: list[dict[str, Any]], names: tuple[str, ...]) -> None:
        """Take over a trial's epochs: of each row of `epochs.csv`, the metrics called `names`."""
        trial = self.trials[trial_id]
        trial.metrics = MetricsTracker()
        for name in names:
            direction = self.objective.direction if name == self.objective.name else _direction(name)
            trial.metrics.register(name, direction=direction)
            for row in rows:
                if np.isfinite(row[name]):
                    trial.metrics.update(name, float(row[name]), step=int(row["epoch"]))

    def finish(self, trial_id: str, status: str, message: str | None = None) -> None:
        """End a trial: `COMPLETED` (it has a score then) or `FAILED` (the worst score)."""
        trial = self.trials[trial_id]
        best = trial.metrics.get_best_value(self.objective.name) if trial.metrics.exists(self.objective.name) else None
        if best is not None:
            trial.score = float(best)
            trial.best_step = trial.metrics.get_best_step(self.objective.name)
        trial.status = status if status == "FAILED" or trial.score is not None else "FAILED"
        trial.message = message
        self.end_order.append(trial_id)
        self.ongoing_trials = {key: other for key, other in self.ongoing_trials.items() if other is not trial}
        self.save_trial(trial)
        self.save()

    def ranking(self) -> list[StudyTrial]:
        """Completed trials, the best first, the baseline included."""
        return sorted((trial for trial in self.trials.values() if trial.status == "COMPLETED"), key=self._rank)

    def may_be_promoted(self, trial: StudyTrial) -> bool:
        """Whether a finished trial can still be continued at the next rung of its bracket."""
        if trial.place is None or trial.status != "COMPLETED":
            return False
        number, rung = trial.place
        bracket = next(b for b in reversed(self.schedule.brackets) if b.first_config <= number)
        if rung + 1 == len(bracket.rungs):
            return False
        above = self._rung(bracket, rung + 1)
        return len(above) < self._expected_size(bracket, rung + 1) and trial.trial_id not in {
            other.parent_id for other in above
        }

    # Keeping

    def attach(self, study: Study) -> None:
        """Keep the state in this study's folder, and take over the trials that are there.

        A damaged `trial.json` is kept aside; its trial is made again, and continues from its checkpoint.
        """
        self._set_project_dir(str(study.folder.parent), study.folder.name)
        self._study = study
        for path in sorted(study.folder.glob("trial_*/trial.json")):
            state = read_json(path)
            if state is None:
                # What it held follows from the schedule, and its epochs are in the trial's checkpoint.
                path.replace(path.with_name("trial.json.damaged"))
                continue
            if "record" not in state:
                continue  # a trial that a stock tuner has added
            trial = StudyTrial.from_state(state)
            self.trials[trial.trial_id] = trial
        ids = sorted(self.trials, key=lambda trial_id: self.trials[trial_id].record.get("created", trial_id))
        self.start_order = ids
        self.end_order = [trial_id for trial_id in ids if self.trials[trial_id].finished]
        self.ongoing_trials = {key: self.trials[key] for key in ids if not self.trials[key].finished}
        # Stock tuners recognise a project by this file.
        write_json(study.folder / "tuner0.json", {})
        self.save()

    def save_trial(self, trial: StudyTrial) -> None:
        """Write `trial_<id>/trial.json`."""
        folder = self._study.trial(trial.trial_id)
        folder.mkdir(exist_ok=True)
        write_json(folder / "trial.json", trial.get_state())

    def save(self) -> None:
        """Write `oracle.json`, in KerasTuner's own form."""
        write_json(self._study.folder / "oracle.json", self.get_state())

    def get_state(self) -> dict[str, Any]:
        open_brackets = [bracket for bracket in self.schedule.brackets if self._is_open(bracket)]
        started = [bracket for bracket in self.schedule.brackets if self._rung(bracket, 0)]
        current = started[-1] if started else self.schedule.brackets[0]
        self._brackets = [self._stock_bracket(bracket) for bracket in open_brackets if bracket in started]
        self._current_bracket, self._current_iteration = current.number, current.iteration
        return super().get_state()

    def _is_open(self, bracket: Bracket) -> bool:
        last = len(bracket.rungs) - 1
        return len(self._rung(bracket, last)) < self._expected_size(bracket, last)

    def _stock_bracket(self, bracket: Bracket) -> dict[str, Any]:
        rounds = [
            [{"past_id": trial.parent_id, "id": trial.trial_id} for trial in self._rung(bracket, rung)]
            for rung in range(len(bracket.rungs))
        ]
        return {"bracket_num": bracket.number, "rounds": rounds}


def draw_values(space: keras_tuner.HyperParameters, seed: list[int]) -> Values:
    """A random point of a KerasTuner space, which depends on `seed` alone; only active hyperparameters are in it."""
    seeds = np.random.SeedSequence(seed).generate_state(max(len(space.space), 1))
    point = keras_tuner.HyperParameters()
    for hyperparameter, state in zip(space.space, seeds, strict=False):
        point.merge([hyperparameter])
        if point.is_active(hyperparameter):
            point.values[hyperparameter.name] = hyperparameter.random_sample(int(state))
    return {name: value for name, value in point.values.items() if point.is_active(name)}


def _without_tuner(values: Mapping[str, Any]) -> Values:
    return {name: value for name, value in values.items() if not name.startswith("tuner/")}


def _direction(metric: str) -> str:
    return "min" if metric.endswith("loss") else "max"
