"""Which way is better: one answer for the oracle, the trials, the tables and the report."""

from __future__ import annotations

import math

from search.study.objective import objective_of

SCORE, LOSS = objective_of("val_mean_iou"), objective_of("val_loss")


def test_losses_are_minimized_and_all_else_is_maximized() -> None:
    metrics = ["loss", "val_loss", "val_mean_iou", "val_iou_road", "val_iou_forest_loss"]
    assert [objective_of(name).direction for name in metrics] == ["min", "min", "max", "max", "max"]
    assert (LOSS.is_minimized, SCORE.is_minimized) == (True, False)


def test_better_is_larger_for_a_score_and_smaller_for_a_loss() -> None:
    assert SCORE.is_better(0.6, than=0.5)
    assert LOSS.is_better(0.5, than=0.6)
    assert not SCORE.is_better(0.5, than=0.5)


def test_the_first_value_is_better_than_none_unless_it_is_not_a_number() -> None:
    assert LOSS.is_better(9.0, than=None)
    assert not LOSS.is_better(math.nan, than=None)
    assert not SCORE.is_better(math.nan, than=0.1)


def test_a_gain_is_positive_where_the_value_is_better() -> None:
    assert SCORE.gain(0.75, over=0.5) == 0.25
    assert LOSS.gain(0.75, over=0.5) == -0.25
