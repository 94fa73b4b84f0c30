"""The oracle: KerasTuner's Hyperband oracle, made exact.

Its whole state is its trials. Which trial comes next follows from the schedule and the trials alone, so a restart, a
lost file or the order in which workers finish changes nothing, and `oracle.json` is written for stock KerasTuner only.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import Any

import keras_tuner
import numpy as np
from keras_tuner.oracles import HyperbandOracle
from keras_tuner.src.engine.metrics_tracking import MetricsTracker

from search.oracle.configurations import Configurations
from search.oracle.points import Rejection, Values, without_place
from search.oracle.schedule import Bracket, Schedule
from search.oracle.trials import StudyTrial, is_of_stock_tuner, read_trial, set_aside, write_trial
from search.study.folder import Study
from search.study.ids import BASELINE, Place
from search.study.objective import direction_of
from search.system.files import write_json
from search.system.machine import now


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
        self._config_id = config_id
        self._configurations = Configurations(self.hyperparameters, seed, reject, config_id)
        self._exhausted = False

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
        return self._start(tuner_id, BASELINE, values | self._baseline_position(), config_id)

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
            trial_id = Place(number, 0).trial_id
            if trial_id in self.trials:
                continue
            taken = {trial.record["config_id"] for trial in self.trials.values()}
            drawn = None if self._exhausted else self._configurations.draw(number, taken)
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
                    number = best.place.number if best.place else 0
                    values = without_place(best.hyperparameters.values) | self._position(bracket, rung)
                    values["tuner/trial_id"] = best.trial_id
                    return Place(number, rung).trial_id, values, best.record["config_id"]
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
        ids = (Place(number, rung).trial_id for number in numbers)
        return [self.trials[trial_id] for trial_id in ids if trial_id in self.trials]

    def _position(self, bracket: Bracket, rung: int) -> Values:
        return {
            "tuner/epochs": bracket.rungs[rung].last_epoch,
            "tuner/initial_epoch": bracket.rungs[rung].first_epoch,
            "tuner/bracket": bracket.number,
            "tuner/round": rung,
            "tuner/iteration": bracket.iteration,
        }

    def _baseline_position(self) -> Values:
        return {"tuner/initial_epoch": 0, "tuner/epochs": self.schedule.max_epochs}

    def _bracket_of(self, number: int) -> Bracket:
        """The bracket of a configuration; the last one for numbers beyond it."""
        return next(bracket for bracket in reversed(self.schedule.brackets) if bracket.first_config <= number)

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
        return self._configurations.preview(self.schedule.configurations, taken)

    @property
    def rejected(self) -> Counter[str]:
        """Reason -> points that the last preview did not take."""
        return self._configurations.rejected

    # Finishing

    def report(self, trial_id: str, rows: list[dict[str, Any]], names: tuple[str, ...]) -> None:
        """Take over a trial's epochs: of each row of `epochs.csv`, the metrics called `names`."""
        trial = self.trials[trial_id]
        trial.metrics = MetricsTracker()
        for name in names:
            direction = direction_of(name)
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
        trial.record |= {"finished": now(), "ended": time.time()}
        self.end_order.append(trial_id)
        self.ongoing_trials = {key: other for key, other in self.ongoing_trials.items() if other is not trial}
        self.save_trial(trial)
        self.save()

    def ranking(self) -> list[StudyTrial]:
        """Completed trials, the best first, the baseline included."""
        return sorted((trial for trial in self.trials.values() if trial.status == "COMPLETED"), key=self._rank)

    def scored(self) -> list[StudyTrial]:
        """Finished trials that have a score, the best first, those that failed after a good epoch included."""
        sign = -1.0 if self.objective.direction == "max" else 1.0
        scored = [trial for trial in self.trials.values() if trial.finished and trial.score is not None]
        return sorted(scored, key=lambda trial: (sign * float(trial.score or 0.0), trial.trial_id))

    def may_be_promoted(self, trial: StudyTrial) -> bool:
        """Whether a finished trial can still be continued: too few that are better have finished in its rung."""
        if trial.place is None or trial.status != "COMPLETED":
            return False
        number, rung = trial.place
        bracket = self._bracket_of(number)
        if rung + 1 == len(bracket.rungs) or any(
            other.parent_id == trial.trial_id for other in self._rung(bracket, rung + 1)
        ):
            return False
        better = [other for other in self._rung(bracket, rung) if self._rank(other) < self._rank(trial)]
        return len(better) < bracket.rungs[rung + 1].size

    def has_only_failed(self, count: int) -> bool:
        """Whether at least `count` trials have ended, and none of them well."""
        ended = [self.trials[trial_id] for trial_id in self.end_order]
        return len(ended) >= count and all(trial.status == "FAILED" for trial in ended)

    def reopen(self) -> list[StudyTrial]:
        """Make every failed trial one that has still to be run; only while none has completed."""
        failed = [trial for trial in self.trials.values() if trial.status == "FAILED"]
        for trial in failed:
            trial.reopen()
            self.save_trial(trial)
        self._take_over(self.trials.values())
        self.save()
        return failed

    # Keeping

    def attach(self, study: Study) -> None:
        """Keep the state in this study's folder, and take over the trials that are there.

        Where both files of a trial are damaged, they are kept aside; the trial is made again.
        """
        self._set_project_dir(str(study.folder.parent), study.folder.name)
        self._study = study
        found = [trial for folder in sorted(study.folder.glob("trial_*")) for trial in self._read(folder)]
        self._take_over(found)
        # Stock tuners recognise a project by this file.
        write_json(study.folder / "tuner0.json", {})
        self.save()

    def _read(self, folder: Path) -> list[StudyTrial]:
        """The trial in a folder, in a list; an empty one where there is none of ours."""
        trial = read_trial(folder)
        if trial is not None and self._fits(trial):
            return [trial]
        if not is_of_stock_tuner(folder):
            # What it held follows from the schedule, and its epochs are in the trial's checkpoint.
            set_aside(folder)
        return []

    def _fits(self, trial: StudyTrial) -> bool:
        """Whether a trial that was read is one of this study: its place in the schedule, and its configuration."""
        values = without_place(trial.hyperparameters.values)
        if trial.place is None:
            trial.hyperparameters.values = values | self._baseline_position()
            return True
        number, rung = trial.place
        bracket = self._bracket_of(number)
        if number >= bracket.first_config + bracket.rungs[0].size or rung >= len(bracket.rungs):
            return False
        place = self._position(bracket, rung)
        trial.hyperparameters.values = (
            values | place | ({"tuner/trial_id": Place(number, rung - 1).trial_id} if rung else {})
        )
        try:
            return self._config_id(values) == trial.record["config_id"]
        except (ValueError, TypeError, KeyError):
            return False

    def _take_over(self, trials: Iterable[StudyTrial]) -> None:
        """Make these the oracle's trials."""
        self.trials = {trial.trial_id: trial for trial in trials}
        ids = sorted(self.trials, key=lambda trial_id: (self.trials[trial_id].record.get("created", 0.0), trial_id))
        self.start_order = ids
        self.end_order = [trial_id for trial_id in ids if self.trials[trial_id].finished]
        self.ongoing_trials = {key: self.trials[key] for key in ids if not self.trials[key].finished}

    def save_trial(self, trial: StudyTrial) -> None:
        """Write `trial_<id>/trial.json`, and its copy."""
        write_trial(trial, self._study.trial(trial.trial_id))

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
