"""What every promotion rule promises. A rule's own test says its name and nothing more."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import Any

import keras_tuner
import pytest

from search.oracle.brackets import RungProgress
from search.oracle.promotion import Promotion
from search.oracle.trials import StudyTrial
from search.study.choices import PROMOTIONS, load_choice
from search.study.ids import Place
from search.study.objective import objective_of

SIZE, PLACES = 9, 3


def ended_trial(number: int, score: float | None) -> StudyTrial:
    """A trial of the first rung that has completed with a score, or failed (None)."""
    trial = StudyTrial(keras_tuner.HyperParameters(), Place(number, 0).trial_id)
    trial.status, trial.score = ("FAILED" if score is None else "COMPLETED"), score
    return trial


def rung_of(scores: list[float | None], random: Random) -> Iterator[tuple[RungProgress, StudyTrial]]:
    """A rung whose trials end one by one, in any order; yields it with the trial that has just ended."""
    rung = RungProgress(len(scores), objective_of("val_mean_iou"))
    trials = [ended_trial(number, score) for number, score in enumerate(scores)]
    rung.started = dict(enumerate(trials))
    for trial in random.sample(trials, len(trials)):
        rung.ended.add(trial)
        rung.completed += trial.status == "COMPLETED"
        yield rung, trial


class PromotionContract:
    """Subclass it, as `TestX`."""

    name: str
    """In `PROMOTIONS`."""

    @pytest.fixture
    def promotion(self) -> Promotion:
        promotion: Promotion = load_choice(PROMOTIONS, self.name)()
        return promotion

    @pytest.fixture(params=range(30))
    def random(self, request: pytest.FixtureRequest) -> Random:
        return Random(request.param)

    @pytest.fixture
    def scores(self, random: Random) -> list[float | None]:
        """Coarse, so that some are equal; any number of the trials has failed."""
        failed = random.randint(0, SIZE)
        return [None if number < failed else round(random.random(), 1) for number in range(SIZE)]

    def promoted(self, promotion: Promotion, rung: RungProgress) -> list[StudyTrial]:
        """All that continue now, as the oracle asks: one after the other."""
        found: list[StudyTrial] = []
        while (trial := promotion.choose(rung, expected=SIZE, places=PLACES)) is not None:
            assert trial in rung.ended
            assert trial.status == "COMPLETED"
            assert trial.trial_id not in rung.promoted
            rung.promoted.add(trial.trial_id)
            found.append(trial)
        return found

    def test_it_has_a_line_in_the_table(self) -> None:
        assert self.name in PROMOTIONS

    def test_every_place_is_filled_once_all_have_ended(
        self, promotion: Promotion, scores: list[float | None], random: Random
    ) -> None:
        chosen = [trial for rung, _ in rung_of(scores, random) for trial in self.promoted(promotion, rung)]
        completed = sum(score is not None for score in scores)
        assert len(chosen) == min(PLACES, completed)
        assert len({trial.trial_id for trial in chosen}) == len(chosen)

    def test_what_it_will_not_choose_it_never_chooses(
        self, promotion: Promotion, scores: list[float | None], random: Random
    ) -> None:
        """The checkpoint of such a trial is removed."""
        given_up: set[str] = set()
        for rung, _ in rung_of(scores, random):
            assert not given_up & {trial.trial_id for trial in self.promoted(promotion, rung)}
            ended: list[Any] = list(rung.ended)
            given_up |= {
                trial.trial_id for trial in ended if not promotion.may_choose(trial, rung, places=PLACES)
            } - rung.promoted

    def test_it_remembers_nothing(self, promotion: Promotion, scores: list[float | None], random: Random) -> None:
        """A driver that was restarted asks a new one."""
        for rung, _ in rung_of(scores, random):
            again: Promotion = load_choice(PROMOTIONS, self.name)()
            chosen = promotion.choose(rung, expected=SIZE, places=PLACES)
            assert again.choose(rung, expected=SIZE, places=PLACES) is chosen
            self.promoted(promotion, rung)
