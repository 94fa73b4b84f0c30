"""What a trial's score is made of."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from search.study.objective import objective_of
from search.study.scoring import SMOOTHED_EPOCHS, Score, ScoreRule, score_of

IOU, LOSS = objective_of("val_mean_iou"), objective_of("val_loss")
VALUES = st.lists(st.one_of(st.floats(0, 1), st.just(math.nan)), max_size=12)


@given(VALUES, st.integers(0, 20))
def test_the_best_epoch_is_the_first_of_the_best(values: list[float], first: int) -> None:
    found = score_of(list(enumerate(values, first + 1)), "best", IOU)
    if np.isnan(values).all():
        assert found is None
    else:
        assert found == Score(np.nanmax(values), first + 1 + int(np.nanargmax(values)))


@given(VALUES)
def test_the_smoothed_score_is_the_mean_of_the_last_epochs(values: list[float]) -> None:
    found = score_of(list(enumerate(values, 1)), "smoothed", IOU)
    known = [(epoch, value) for epoch, value in enumerate(values, 1) if value == value]
    if not known:
        assert found is None
        return
    assert found is not None
    assert found.epoch == known[-1][0]
    assert found.value == pytest.approx(np.mean([value for _, value in known[-SMOOTHED_EPOCHS:]]))


def test_a_loss_is_best_where_it_is_smallest() -> None:
    values = [(1, 0.5), (2, 0.2), (3, 0.4)]
    assert score_of(values, "best", LOSS) == Score(0.2, 2)


@pytest.mark.parametrize("rule", ["best", "smoothed"])
def test_a_single_epoch_is_its_own_score(rule: ScoreRule) -> None:
    assert score_of([(7, 0.25)], rule, IOU) == Score(0.25, 7)
