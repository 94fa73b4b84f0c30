"""The comparison of score rules computes what it says."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import spearmanr

from benchmarks.score_rules import correlation, expected_winner, judge, rungs_of
from benchmarks.tables.table import Table, read_table


@pytest.fixture(scope="module")
def table() -> Table:
    whole = read_table()
    names = ("val", "test", "averaged_val", "averaged_test")
    return replace(whole, **{name: getattr(whole, name)[:40] for name in names})


def test_rules_score_the_epochs_of_the_rung_alone(table: Table) -> None:
    rungs = rungs_of(table)
    assert [(rung.first_epoch, rung.last_epoch) for rung in rungs] == [(0, 1), (1, 3), (3, 9), (9, 27)]
    # Backwards, scores fall, so that the epochs before the rung have the highest.
    table = replace(table, val=table.val[:, :, ::-1])
    found = judge(table, rungs[2])
    assert found["best"].scores == pytest.approx(table.val[:, :, 3:9].max(axis=2))
    assert found["smoothed_ema"].scores == pytest.approx(table.averaged_val[:, :, 6:9].mean(axis=2))
    assert found["smoothed"].kept == pytest.approx(table.test[:, :, 8])
    best = table.val[7, 1, 3:9].argmax() + 3
    assert found["best"].kept[7, 1] == table.test[7, 1, best]


def test_correlations_are_spearmans(table: Table) -> None:
    scores = table.val[:, :, 0].round(2)  # with ties
    good = table.test[:, 0, 26]
    drawn = np.random.default_rng(0).integers(len(good), size=(3, 30))
    expected = [np.mean([spearmanr(scores[row, seed], good[row]).statistic for seed in (0, 1)]) for row in drawn]
    assert correlation(scores, good, drawn) == pytest.approx(expected)


def test_the_expected_winner_is_the_mean_over_all_draws() -> None:
    scores, values = np.array([[0.3, 0.1], [0.4, 0.2]]), np.array([[1.0, 2.0], [4.0, 8.0]])
    flat = list(zip(scores.reshape(-1), values.reshape(-1), strict=True))
    expected = np.mean([max(draw)[1] for draw in itertools.product(flat, repeat=3)])
    assert expected_winner(scores, values, 3) == pytest.approx(expected)
