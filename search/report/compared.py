"""The best configuration against the baseline: on which images, over how many seeds, and with which interval."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import fmean

import numpy as np
import pandas as pd

from search.report.gain import LEVEL, RESAMPLES, Gain, Trained, confirmed_gain, resampled_gain, score_of_counts
from search.report.history import History
from search.study import BASELINE
from search.study.confirmation import Confirmed
from search.system.wording import plural

# Last epochs of a training, whose spread says how much its score moves by chance.
LAST_EPOCHS = 3


@dataclass(frozen=True)
class Comparison:
    """The best configuration and the baseline, on the same images.

    Attributes:
        where: which images these are, in words.
        best, baseline: what they reach.
        gain: the difference.
        is_unseen: whether no decision of the search has seen the images.
    """

    where: str
    best: float
    baseline: float
    gain: Gain
    is_unseen: bool = False


def comparison_of(history: History) -> Comparison | None:
    """The best configuration against the baseline; None if there are not two to compare.

    Where they were confirmed, over the other seeds, and on the test split if there is one; else on the validation
    images by which the best was chosen.
    """
    best, baseline, confirmed = history.best, history.baseline, history.snapshot.confirmed
    if best is None or baseline is None:
        return None
    if confirmed is not None and confirmed.of != BASELINE and history.snapshot.baseline_mean is not None:
        return _compared_on_test(history, confirmed) or _compared_again(history, confirmed)
    if confirmed is not None or best["trial_id"] == BASELINE:
        return None
    scores = float(best["score"]), float(baseline["score"])
    return Comparison("the validation images", *scores, _gain_by_one_seed(history, best, baseline))


def _compared_on_test(history: History, confirmed: Confirmed) -> Comparison | None:
    tested = {name: _on_test(history, name) for name in (confirmed.of, BASELINE)}
    best, baseline = tested[confirmed.of], tested[BASELINE]
    if best is None or baseline is None:
        return None
    gain = confirmed_gain(best, baseline, _others(history, confirmed), history.objective, history.class_names)
    where = f"{plural(len(best.counts[0].hits), 'test image')} that no search saw"
    return Comparison(where, fmean(best.scores), fmean(baseline.scores), gain, is_unseen=True)


def _compared_again(history: History, confirmed: Confirmed) -> Comparison:
    best, baseline = on_validation(history, confirmed.of), on_validation(history, BASELINE)
    gain = confirmed_gain(best, baseline, _others(history, confirmed), history.objective, history.class_names)
    return Comparison("the validation images", fmean(best.scores), fmean(baseline.scores), gain)


def _others(history: History, confirmed: Confirmed) -> list[Trained]:
    names = history.confirmed_names - {confirmed.of, BASELINE}
    return [on_validation(history, name) for name in sorted(names)]


def _on_test(history: History, name: str) -> Trained | None:
    """The networks of a confirmed configuration on the test split; None if one has not been scored there."""
    counts = [history.test_counts(str(trial)) for trial in history.confirmations_of(name)["trial_id"]]
    found = [one for one in counts if one is not None]
    scores = [score_of_counts(one, history.objective.name, history.class_names) for one in found]
    whole = len(found) == len(counts) > 0 and bool(np.isfinite(scores).all())
    return Trained(scores, found) if whole else None


def on_validation(history: History, name: str) -> Trained:
    """The networks of a confirmed configuration on the validation split."""
    rows = history.confirmations_of(name)
    counts = [history.best_epoch(row) for _, row in rows.iterrows()]
    found = [one.validation for one in counts if one is not None]
    return Trained([float(score) for score in rows["score"]], found if len(found) == len(counts) else [])


def _gain_by_one_seed(history: History, best: pd.Series, baseline: pd.Series) -> Gain:
    """The gain of the trial that was chosen, which another seed would not repeat."""
    value = history.objective.gain(best["score"], baseline["score"])
    kept = history.best_epoch(best), history.best_epoch(baseline)
    if kept[0] is not None and kept[1] is not None:
        one, other = kept[0].validation, kept[1].validation
        found = resampled_gain(one, other, history.objective.name, history.class_names)
        if found is not None:
            method = (
                f"The interval holds {LEVEL} % of {RESAMPLES:,} resamplings of the {len(one.hits)} validation images, "
                "the same images for both networks (paired bootstrap). It does not include the randomness of training: "
                "another seed gives other weights."
            )
            return Gain(value, *found, method)
    return _gain_by_epochs(history, value, str(best["config_id"]), str(baseline["config_id"]))


def _gain_by_epochs(history: History, value: float, *config_ids: str) -> Gain:
    """The gain if the results of single images are missing: from the spread of the last epochs of both trainings."""
    missing = "The results of single validation images are not in this study folder"
    variance = 0.0
    for config_id in config_ids:
        last = last_epochs(history, config_id)
        if len(last) < 2:
            return Gain(value, None, None, f"{missing}, and there are too few epochs to judge the spread.")
        variance += float(last.var())
    # Of a normal distribution, 95 % lie within 1.96 standard deviations.
    margin = 1.96 * variance**0.5
    method = (
        f"{missing}; the interval is 1.96 standard deviations of the last {LAST_EPOCHS} epochs of both trainings. It "
        "says how much the score moves from epoch to epoch, and nothing about other images."
    )
    return Gain(value, value - margin, value + margin, method)


def last_epochs(history: History, config_id: str) -> pd.Series:
    """The objective after each of the last epochs that a configuration has trained, in their order."""
    own = history.epochs[history.epochs["config_id"] == config_id].sort_values("epoch")
    found: pd.Series = own[history.objective.name].dropna().tail(LAST_EPOCHS)
    return found
