"""The oracle: KerasTuner's Hyperband oracle, made exact.

Its whole state is its trials. Which trial comes next follows from the schedule and the trials alone, so a restart, a
lost file or the order in which workers finish changes nothing, and `oracle.json` is written for stock KerasTuner only.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable, Iterable
from collections.abc import Set as AbstractSet
from typing import Any, NamedTuple

import keras_tuner
from keras_tuner.oracles import HyperbandOracle

from search.oracle.brackets import BracketProgress
from search.oracle.configurations import Configurations
from search.oracle.confirming import Confirming, next_confirmation
from search.oracle.points import NOTHING, Seen, Values, without_place
from search.oracle.positions import position_at, whole_position
from search.oracle.promotion import Promotion
from search.oracle.recognition import is_of_study
from search.oracle.schedule import Bracket, Schedule
from search.oracle.sight import Sight
from search.oracle.state import SearchState
from search.oracle.trials import StudyTrial, is_damaged, load_trials, set_aside, sharing_space, write_trial
from search.study.folder import Study
from search.study.ids import BASELINE, Place, confirmation_of
from search.study.objective import Objective
from search.study.scoring import ScoreRule, score_of
from search.system.files import write_json
from search.system.machine import now

# `oracle.json` is replaced at most this often while a search runs, in seconds.
STOCK_STATE_INTERVAL = 30.0

log = logging.getLogger(__name__)


class _Chosen(NamedTuple):
    """A trial that is to be created."""

    place: Place
    bracket: Bracket
    values: Values
    config_id: str


class StudyOracle(HyperbandOracle):
    """Decides which trial runs next, as one study's only source of truth.

    Differences from `keras_tuner.oracles.HyperbandOracle`:

    - a configuration is drawn from seed and number, and from what the schedule lets it see of the search;
    - trial ids are `<configuration>-<rung>` (`0007-0` is promoted to `0007-1`);
    - a failed trial counts as finished with the worst score, so rungs keep their sizes;
    - every file is replaced atomically, and the trials' files are enough to continue from.

    A decision costs the same in a study of ten trials as in one of ten thousand, unless the sampler learns.

    Args:
        objective: the metric to optimize.
        hyperparameters: the declared search space.
        schedule: brackets and rungs.
        factor, iterations, min_epochs: of `[hyperband]`, for stock KerasTuner.
        seed: of the study.
        configurations: draws the points of the space.
        promotion: chooses the trials that continue.
        score: what a trial's score is.
        control: hyperparameters and id of the configuration that a control trains, given the winner's.
        sight: what a draw sees of the search; None: nothing.

    Attributes:
        ongoing_trials: the trials that have not ended, by the names under which they were asked for.
        state: the trials, with their counts and rankings.
    """

    ongoing_trials: dict[str, StudyTrial]

    def __init__(
        self,
        objective: Objective,
        hyperparameters: keras_tuner.HyperParameters,
        schedule: Schedule,
        *,
        factor: int,
        iterations: int,
        min_epochs: int,
        seed: int,
        configurations: Configurations,
        promotion: Promotion,
        score: ScoreRule,
        control: Callable[[str, Values], tuple[Values, str]],
        sight: Sight | None = None,
    ) -> None:
        super().__init__(
            keras_tuner.Objective(objective.name, objective.direction),
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
        self._study_objective, self._score_rule = objective, score
        self._configurations, self._rule, self._control = configurations, promotion, control
        self._see = sight.seen_by if sight else lambda *_: NOTHING
        self._stock_state_written = float("-inf")
        self._take_over(())

    # Choosing

    def create_trial(self, tuner_id: str) -> StudyTrial:
        """The next trial to run, `RUNNING`; or an empty one that says `IDLE` (wait) or `STOPPED` (all is done)."""
        must_wait = False
        for bracket in self.state.open_brackets():
            # As in KerasTuner, new configurations come before promotions, and earlier brackets before later ones.
            number = None if must_wait or self.state.exhausted else bracket.next_number()
            seen = NOTHING if number is None else self._see(number, self.state)
            # Numbers are drawn in order, so where one has to wait for results, so do all that follow.
            must_wait |= seen is None
            chosen = None if number is None or seen is None else self._first_rung(bracket, number, seen)
            chosen = chosen or self._promotion(bracket)
            if chosen is not None:
                return self._start(tuner_id, chosen)
        self.state.close_brackets()
        if (confirming := self._confirmation()) is not None:
            values = confirming.values | whole_position(self.schedule)
            return self._add(tuner_id, confirming.confirmation.trial_id, values, confirming.config_id)
        status = "IDLE" if self.ongoing_trials else "STOPPED"
        if status == "STOPPED":
            self.save(at_once=True)
        return StudyTrial(self.hyperparameters, "", status=status)

    def create_baseline(self, tuner_id: str, values: Values, config_id: str) -> StudyTrial:
        """The trial outside the brackets that everything is compared with."""
        return self._add(tuner_id, BASELINE, values | whole_position(self.schedule), config_id)

    def _start(self, tuner_id: str, chosen: _Chosen) -> StudyTrial:
        values = chosen.values | position_at(chosen.bracket, chosen.place)
        return self._add(tuner_id, chosen.place.trial_id, values, chosen.config_id)

    def _add(self, tuner_id: str, trial_id: str, values: Values, config_id: str) -> StudyTrial:
        trial = StudyTrial(sharing_space(self.hyperparameters, values), trial_id)
        trial.record = {"config_id": config_id, "status": "queued", "attempts": 0, "created": time.time()}
        self.ongoing_trials[tuner_id] = trial
        self.state.add(trial)
        # A draw can be made again, so it need not survive a power cut before its trial starts.
        write_trial(trial, self._study.trial(trial_id), durable=False)
        self.save()
        return trial

    def _first_rung(self, bracket: BracketProgress, number: int, seen: Seen) -> _Chosen | None:
        drawn = self._configurations.draw(number, self.state.config_ids, seen)
        if drawn is None:
            self.state.exhausted = True
            return None
        values, config_id = drawn
        return _Chosen(Place(number, 0), bracket.bracket, values, config_id)

    def _promotion(self, bracket: BracketProgress) -> _Chosen | None:
        for rung in range(1, len(bracket.rungs)):
            below, places = bracket.rungs[rung - 1], bracket.rungs[rung].size
            expected = bracket.expected_size(rung - 1, exhausted=self.state.exhausted)
            best = self._rule.choose(below, expected=expected, places=places)
            if best is not None and best.place is not None:
                log.debug(
                    "trial %s is promoted: score %s, %d of %d expected trials have ended, %d places, %d taken",
                    *(best.trial_id, best.score, len(below.ended), expected, places, len(below.promoted)),
                )
                place = Place(best.place.number, rung)
                values = without_place(best.hyperparameters.values)
                return _Chosen(place, bracket.bracket, values, best.record["config_id"])
        return None

    def _confirmation(self) -> Confirming | None:
        if any(confirmation_of(trial.trial_id) is None for trial in self.ongoing_trials.values()):
            return None
        return next_confirmation(self.state, self.schedule.confirm, self._control)

    # Drawing

    def preview(self, taken: AbstractSet[str] = frozenset()) -> list[Values]:
        """The configurations that the brackets will draw, none of `taken`; fewer if the space has no more."""
        return self._configurations.preview(self.schedule.configurations, taken)

    @property
    def rejected(self) -> Counter[str]:
        """Reason -> number of points that were drawn and rejected."""
        return self._configurations.rejected

    @property
    def exhausted(self) -> bool:
        """Whether the space has no further configurations."""
        return self.state.exhausted

    @property
    def drawn(self) -> int:
        """The number of configurations that have been drawn."""
        return len(self.state.config_ids) - (BASELINE in self.trials)

    # Finishing

    def report(self, trial_id: str, rows: list[dict[str, Any]], names: tuple[str, ...]) -> None:
        """Take over a trial's epochs: of each row of `epochs.csv`, the metrics called `names`."""
        self.trials[trial_id].take_over(rows, names)

    def finish(self, trial_id: str, status: str, message: str | None = None) -> None:
        """End a trial: `COMPLETED` (it has a score then) or `FAILED` (the worst score)."""
        trial = self.trials[trial_id]
        score = score_of(trial.values_of(self.objective.name), self._score_rule, self._study_objective)
        if score is not None:
            trial.score, trial.best_step = score.value, score.epoch
        trial.status = status if status == "FAILED" or trial.score is not None else "FAILED"  # no score, no rank
        trial.message = message
        trial.record |= {"finished": now(), "ended": time.time()}
        self.ongoing_trials = {key: other for key, other in self.ongoing_trials.items() if other is not trial}
        self.state.end(trial)
        self.save_trial(trial)
        self.save()

    def may_be_promoted(self, trial: StudyTrial) -> bool:
        """Whether a finished trial can still be continued: too few that are better have finished in its rung."""
        if trial.place is None or trial.status != "COMPLETED":
            return False
        rungs = self.state.bracket_of(trial.place.number).rungs
        rung = trial.place.rung
        is_last = rung + 1 == len(rungs)
        return not is_last and self._rule.may_choose(trial, rungs[rung], places=rungs[rung + 1].size)

    def has_only_failed(self, count: int) -> bool:
        """Whether at least `count` trials have ended, and none of them well."""
        return len(self.end_order) >= count and not self.state.completed

    def reopen(self, trials: Iterable[StudyTrial]) -> None:
        """Make failed trials ones that are yet to be run; only those that have decided nothing (`has_decided`)."""
        for trial in trials:
            trial.reopen()
            self.save_trial(trial)
        self._take_over(self.trials.values())
        self.save(at_once=True)

    # Keeping

    def misfits(self, study: Study) -> list[str]:
        """The trials in a folder whose files are whole, but not of this study as this version understands it."""
        _, others = load_trials(study, self._fits)
        return [folder.name for folder in others if not is_damaged(folder)]

    def attach(self, study: Study) -> list[str]:
        """Keep the state in this study's folder, and take over the trials that are there.

        Returns:
            A line for each trial that is made again: both of its files, kept aside, are damaged or not of this study.
        """
        self._set_project_dir(str(study.folder.parent), study.folder.name)
        self._study = study
        trials, others = load_trials(study, self._fits)
        for folder in others:
            set_aside(folder)
        self._take_over(trials)
        # Stock tuners recognise a project by this file.
        write_json(study.folder / "tuner0.json", {})
        self.save(at_once=True)
        return [f"{folder} is damaged or edited: kept as *.damaged, the trial is made again" for folder in others]

    def _fits(self, trial: StudyTrial) -> bool:
        return is_of_study(trial, self.schedule, self._configurations)

    def _take_over(self, trials: Iterable[StudyTrial]) -> None:
        """Make these the oracle's trials."""
        # Creation times first, because ids do not tell in which order trials of several workers were created.
        created = sorted(trials, key=lambda trial: (trial.record.get("created", 0.0), trial.trial_id))
        self.state = SearchState(self.schedule, self._study_objective, created)
        # KerasTuner's own names for the same lists.
        self.trials = self.state.trials
        self.start_order, self.end_order = self.state.start_order, self.state.end_order
        self.ongoing_trials = {trial.trial_id: trial for trial in created if not trial.finished}

    def save_trial(self, trial: StudyTrial) -> None:
        """Write `trial_<id>/trial.json`, and its copy."""
        write_trial(trial, self._study.trial(trial.trial_id))

    def save(self, *, at_once: bool = False) -> None:
        """Write `oracle.json`, in KerasTuner's own form: `at_once`, or once it is old."""
        if at_once or time.monotonic() - self._stock_state_written > STOCK_STATE_INTERVAL:
            write_json(self._study.folder / "oracle.json", self.get_state(), durable=at_once)
            self._stock_state_written = time.monotonic()

    def get_state(self) -> dict[str, Any]:
        self._current_bracket, self._current_iteration, self._brackets = self.state.stock_brackets()
        return super().get_state()
