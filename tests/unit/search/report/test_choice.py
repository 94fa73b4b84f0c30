"""What choosing by score does: luck, noise, rungs that rank, and the smallest network that is as good."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from benchmarks._history import History
from search.report.choice import expected_luck, noise_of_finalists, smallest_within_noise
from search.report.gain import Trained, confirmed_gain, standard_error
from search.report.history import History as Read
from search.report.history import read_history
from search.report.resolution import resolution_section, rung_agreements
from search.report.verdict import verdict_of
from search.study import objective_of
from search.trial.validation import Validation

IOU = objective_of("val_mean_iou")


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> Read:
    return read_history(History(tmp_path_factory.mktemp("choice") / "whole", iterations=3).write())


def test_rungs_are_judged_by_the_ranks_of_what_they_promoted(history: Read) -> None:
    trials = history.completed.set_index("trial_id")
    found = rung_agreements(history)
    assert found
    for agreement in found:
        promoted = trials[(trials["bracket"] == agreement.bracket) & (trials["rung"] == agreement.rung + 1)]
        below = trials.loc[promoted["parent_id"]]
        assert agreement.pairs == len(promoted)
        assert agreement.last_epoch == below["last_epoch"].iloc[0]
        if len(promoted) > 2:
            expected = stats.spearmanr(below["score"].to_numpy(float), promoted["score"].to_numpy(float)).statistic
            assert agreement.correlation == pytest.approx(expected)
        assert (agreement.chance == agreement.chance) == (len(promoted) >= 4)
    section = resolution_section(history)
    assert section is not None
    assert len(section.tables[0].rows) == len(found)
    assert {row[-1] for row in section.tables[0].rows} <= {"better than chance", "as chance might", "too few to tell"}


def test_noise_is_that_of_the_finalists_last_epochs(history: Read) -> None:
    noise, luck = noise_of_finalists(history), expected_luck(history)
    assert noise is not None
    assert luck is not None
    # What `benchmarks/_history.py` adds to each epoch.
    assert noise == pytest.approx(0.004, rel=0.5)
    rng = np.random.default_rng(0)
    drawn = rng.normal(size=(4000, len(history.configurations))).max(axis=1).mean()
    assert luck == pytest.approx(noise * drawn, rel=0.03)
    assert any("by about" in note and "if all were equally good" in note for note in verdict_of(history)[1])


def test_the_smallest_is_within_one_standard_error_and_nothing_smaller_is(history: Read) -> None:
    best, smallest = history.best, smallest_within_noise(history)
    assert best is not None
    assert smallest is not None
    kept = history.best_epoch(best)
    assert kept is not None
    error = standard_error(kept.validation, IOU.name, history.class_names)
    assert error is not None
    as_good = history.completed[history.completed["score"] >= best["score"] - error]
    assert smallest["macs"] == as_good["macs"].min()
    assert smallest["score"] == as_good.loc[as_good["macs"] == smallest["macs"], "score"].max()
    assert smallest["score"] >= best["score"] - error


def counts(share: np.ndarray) -> Validation:
    """Images of two classes of which these shares of the pixels are right."""
    truth = np.full((len(share), 2), 1000)
    hits = np.round(truth * share[:, None]).astype(np.int64)
    return Validation(0.0, np.zeros((2, 2), np.int64), hits, truth, truth)


def trained(scores: list[float], images: int = 30) -> Trained:
    return Trained(scores, [counts(np.full(images, score)) for score in scores])


def test_the_interval_of_a_confirmed_gain_is_students_over_the_seeds() -> None:
    """All images alike, so that only seeds differ."""
    best, baseline = trained([0.80, 0.82]), trained([0.70, 0.74])
    gain = confirmed_gain(best, baseline, [], IOU, ["a", "b"])
    pooled = (np.var([0.80, 0.82], ddof=1) + np.var([0.70, 0.74], ddof=1)) / 2
    margin = stats.t.ppf(0.975, 2) * np.sqrt(pooled)
    assert gain.value == pytest.approx(0.09)
    assert gain.low == pytest.approx(0.09 - margin)
    assert gain.high == pytest.approx(0.09 + margin)
    # Chosen among two, whose spread counts too.
    among = confirmed_gain(best, baseline, [trained([0.60, 0.63])], IOU, ["a", "b"])
    pooled = np.mean([np.var(scores, ddof=1) for scores in ([0.80, 0.82], [0.70, 0.74], [0.60, 0.63])])
    assert among.low == pytest.approx(0.09 - stats.t.ppf(1 - 0.025 / 2, 3) * np.sqrt(pooled))


def test_a_choice_among_more_has_a_wider_interval_and_more_seeds_a_narrower() -> None:
    best, baseline = trained([0.80, 0.82]), trained([0.70, 0.72])
    widths = []
    for others in ([], [trained([0.79, 0.81])], [trained([0.79, 0.81]), trained([0.78, 0.80])]):
        gain = confirmed_gain(best, baseline, others, IOU, ["a", "b"])
        assert gain.low is not None
        widths.append(gain.value - gain.low)
    more = confirmed_gain(trained([0.80, 0.82] * 3), trained([0.70, 0.72] * 3), [], IOU, ["a", "b"])
    assert more.low is not None
    assert more.value - more.low < widths[0]
    # The spread is known better with more configurations, but not as much better as the choice costs.
    assert widths[2] < widths[0]
    unknown = confirmed_gain(Trained([0.8], []), Trained([0.7], []), [], IOU, ["a", "b"])
    assert (unknown.low, unknown.high) == (None, None)
    assert "One seed" in unknown.method


def test_one_seed_has_the_interval_of_the_images_and_says_so() -> None:
    shares = np.random.default_rng(0).uniform(0.5, 0.9, 40)
    best, baseline = Trained([0.8], [counts(shares + 0.1)]), Trained([0.7], [counts(shares[::-1])])
    gain = confirmed_gain(best, baseline, [], IOU, ["a", "b"])
    assert gain.low is not None
    assert "One seed" in gain.method
    assert "seeds of each" not in gain.method
    by_seeds = confirmed_gain(trained([0.5, 0.6]), trained([0.6, 0.7]), [], objective_of("val_loss"), ["a", "b"])
    assert "images" not in by_seeds.method


def test_images_that_differ_widen_it_and_a_minimized_objective_turns_it_round() -> None:
    rng = np.random.default_rng(0)
    shares = rng.uniform(0.5, 1.0, 40)
    same = [counts(shares), counts(shares)]
    other = [counts(rng.permutation(shares)), counts(rng.permutation(shares))]
    narrow = confirmed_gain(Trained([0.8, 0.82], same), Trained([0.7, 0.72], same), [], IOU, ["a", "b"])
    wide = confirmed_gain(Trained([0.8, 0.82], same), Trained([0.7, 0.72], other), [], IOU, ["a", "b"])
    assert wide.low is not None
    assert narrow.low is not None
    assert wide.low < narrow.low
    loss = confirmed_gain(trained([0.5, 0.52]), trained([0.6, 0.62]), [], objective_of("val_loss"), ["a", "b"])
    assert loss.value == pytest.approx(0.1)


def test_without_trials_there_is_nothing_to_say(tmp_path: Path) -> None:
    study = History(tmp_path / "part").write(1, pictures=False)
    history = read_history(study)
    assert noise_of_finalists(history) is None
    assert rung_agreements(history) == []
    assert isinstance(history.configurations, pd.DataFrame)
