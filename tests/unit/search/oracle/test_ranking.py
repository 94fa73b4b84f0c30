"""Trials in the order of their scores: what inserting one by one gives is what sorting all gives."""

from __future__ import annotations

import keras_tuner
from hypothesis import given
from hypothesis import strategies as st

from search.oracle.ranking import Ranking
from search.oracle.trials import StudyTrial
from search.study.ids import BASELINE
from search.study.objective import objective_of

SCORES = st.lists(st.tuples(st.sampled_from([0.1, 0.2, 0.3, None]), st.booleans()), max_size=20)


def trial_of(number: int, score: float | None, failed: bool) -> StudyTrial:
    status = "FAILED" if failed or score is None else "COMPLETED"
    trial = StudyTrial(keras_tuner.HyperParameters(), f"{number:04d}-0", status=status)
    trial.score = score
    return trial


@given(scores=SCORES, metric=st.sampled_from(["val_mean_iou", "val_loss"]), order=st.randoms())
def test_trials_are_sorted_however_they_come(
    scores: list[tuple[float | None, bool]], metric: str, order: object
) -> None:
    trials = [trial_of(number, *outcome) for number, outcome in enumerate(scores)]
    ranking = Ranking(objective_of(metric))
    for trial in order.sample(trials, len(trials)):  # type: ignore[attr-defined]
        ranking.add(trial)
    sign = 1 if metric == "val_loss" else -1
    completed = [trial for trial in trials if trial.status == "COMPLETED"]
    failed = [trial for trial in trials if trial.status == "FAILED"]
    assert list(ranking) == [*sorted(completed, key=lambda trial: sign * (trial.score or 0.0)), *failed]
    assert [ranking.better_than(trial) for trial in ranking] == list(range(len(trials)))
    assert ranking.best(2) == list(ranking)[:2]


def test_by_score_a_trial_that_failed_keeps_the_rank_of_its_best_epoch() -> None:
    ranking = Ranking(objective_of("val_mean_iou"), by_score=True)
    failed, completed = trial_of(1, 0.9, True), trial_of(2, 0.5, False)
    ranking.add(completed)
    ranking.add(failed)
    assert list(ranking) == [failed, completed]


def test_configuration_ten_thousand_comes_behind_the_one_before_and_the_baseline_last() -> None:
    ranking = Ranking(objective_of("val_mean_iou"))
    baseline = StudyTrial(keras_tuner.HyperParameters(), BASELINE, status="COMPLETED")
    baseline.score = 0.5
    for trial in (baseline, trial_of(10_000, 0.5, False), trial_of(9_999, 0.5, False)):
        ranking.add(trial)
    assert [trial.trial_id for trial in ranking] == ["9999-0", "10000-0", BASELINE]
