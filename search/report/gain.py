"""The gain of the best configuration over the baseline, and the interval in which the true one lies."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, variance
from typing import NamedTuple

import numpy as np
from scipy import stats

from search.study.objective import Objective
from search.system.wording import signed
from search.trial.validation import Validation

# Resamplings of the images, and the share of results that an interval holds, in percent.
RESAMPLES, LEVEL = 2000, 95


@dataclass(frozen=True)
class Gain:
    """The best configuration's distance from the baseline, positive if it is better.

    Attributes:
        value: of the objective.
        low, high: the interval; None if it is not known.
        method: how the interval was found, or why there is none.
    """

    value: float
    low: float | None
    high: float | None
    method: str

    @property
    def is_sure(self) -> bool:
        """Whether the interval lies on one side of zero."""
        return self.low is not None and self.high is not None and (self.low > 0 or self.high < 0)

    def __str__(self) -> str:
        if self.low is None or self.high is None:
            return signed(self.value)
        return f"{signed(self.value)} ({LEVEL} % interval {signed(self.low)} to {signed(self.high)})"


class Trained(NamedTuple):
    """One configuration, trained from several seeds.

    Attributes:
        scores: the objective reached from each seed.
        counts: of the same images for every seed and configuration; empty where they are not known.
    """

    scores: Sequence[float]
    counts: Sequence[Validation]


def confirmed_gain(
    best: Trained, baseline: Trained, others: Sequence[Trained], objective: Objective, class_names: Sequence[str]
) -> Gain:
    """The gain as the difference of means over seeds, with an interval over seeds and images.

    The variance of the difference is that over the images (paired bootstrap of the networks that there are, Efron 1979)
    plus that over the seeds (pooled over all configurations, because each has few). The interval is Student's, with
    Welch and Satterthwaite's degrees of freedom. Because the best was chosen among the confirmed configurations by the
    same scores, its level is Bonferroni's for as many comparisons.

    Args:
        best: the configuration that was chosen.
        baseline: what it is compared with.
        others: the other configurations that were confirmed.
        objective: which way is better.
        class_names: in id order.
    """
    value = objective.gain(fmean(best.scores), fmean(baseline.scores))
    of_images = _variance_over_images(best, baseline, objective, class_names)
    groups = [list(trained.scores) for trained in (best, baseline, *others) if len(trained.scores) > 1]
    freedom = sum(len(group) - 1 for group in groups)
    seeds, images = len(best.scores), len(best.counts[0].hits) if best.counts else 0
    parts, errors = [], []
    if of_images > 0:
        errors.append((of_images, images - 1))
        parts.append(f"the {images} images (resampled, the same ones for both)")
    if freedom:
        pooled = sum((len(group) - 1) * variance(group) for group in groups) / freedom
        errors.append((pooled * (1 / seeds + 1 / len(baseline.scores)), freedom))
        parts.append(f"the {seeds} seeds of each configuration (their spread is pooled over all that were confirmed)")
    if not parts:
        return Gain(value, None, None, "One seed for each configuration does not show how much training varies.")
    margin = _margin(errors, 1 + len(others))
    method = (
        f"The interval holds {LEVEL} % and covers {' and '.join(parts)}. It allows for the choice of the best among "
        f"{1 + len(others)}."
    )
    if not freedom:
        method += " One seed for each configuration does not show how much training varies, which is left out."
    return Gain(value, value - margin, value + margin, method)


def _margin(variances: Sequence[tuple[float, int]], comparisons: int) -> float:
    """Half the width of the interval of a sum of independent errors, given their variances and degrees of freedom."""
    known = [(one, freedom) for one, freedom in variances if one > 0 and freedom > 0]
    total = sum(one for one, _ in known)
    if not total:
        return 0.0
    freedom = total**2 / sum(one**2 / degrees for one, degrees in known)
    tail = (100 - LEVEL) / 100 / 2 / comparisons
    return float(stats.t.ppf(1 - tail, freedom)) * math.sqrt(total)


def _variance_over_images(best: Trained, baseline: Trained, objective: Objective, class_names: Sequence[str]) -> float:
    """The variance of the difference of mean scores over resampled images; 0 where it cannot be computed."""
    counts = [*best.counts, *baseline.counts]
    if not best.counts or not baseline.counts or len({one.hits.shape for one in counts}) > 1:
        return 0.0
    differences = _resampled(best.counts, objective.name, class_names) - _resampled(
        baseline.counts, objective.name, class_names
    )
    finite = differences[np.isfinite(differences)]
    return float(finite.var()) if len(finite) > 1 else 0.0


def resampled_gain(
    best: Validation, baseline: Validation, objective: str, class_names: Sequence[str]
) -> tuple[float, float] | None:
    """The interval of the difference of two networks' scores over resampled images.

    Efron 1979, "Bootstrap Methods: Another Look at the Jackknife": images are drawn with replacement, the same ones for
    both networks, and the objective is computed from their summed pixel counts, as it is over the whole split. None if
    the objective cannot be computed from the counts, such as a loss.
    """
    if best.hits.shape != baseline.hits.shape or len(best.hits) < 2:
        return None
    differences = _resampled([best], objective, class_names) - _resampled([baseline], objective, class_names)
    differences = differences[np.isfinite(differences)]
    if not len(differences):
        return None
    tail = (100 - LEVEL) / 2
    low, high = np.percentile(differences, [tail, 100 - tail])
    return float(low), float(high)


def standard_error(counts: Validation, objective: str, class_names: Sequence[str]) -> float | None:
    """The standard error of a network's score over resampled images; None if the counts do not give the objective."""
    resampled = _resampled([counts], objective, class_names)
    finite = resampled[np.isfinite(resampled)]
    return float(finite.std()) if len(finite) > 1 and len(counts.hits) > 1 else None


def score_of_counts(counts: Validation, objective: str, class_names: Sequence[str]) -> float:
    """The objective over all images of a split, NaN where the counts do not give it, as for a loss."""
    return float(_scores(counts, np.ones((1, len(counts.hits))), objective, class_names)[0])


def _resampled(networks: Sequence[Validation], objective: str, class_names: Sequence[str]) -> np.ndarray:
    """The mean score of networks over each resampling of their images `[R]`, the same ones in every call."""
    images = len(networks[0].hits)
    # A constant seed, so that the same results always have the same interval.
    rng = np.random.default_rng(0)
    # How often each image is drawn, which is all that the sums need.
    weights = rng.multinomial(images, np.full(images, 1 / images), size=RESAMPLES).astype(np.float64)
    mean: np.ndarray = np.mean([_scores(one, weights, objective, class_names) for one in networks], axis=0)
    return mean


def _scores(counts: Validation, weights: np.ndarray, objective: str, class_names: Sequence[str]) -> np.ndarray:
    """The objective of each row of `weights` `[R, N]`, how often each image counts, `[R]`."""
    if objective == "val_loss":
        return np.full(len(weights), np.nan)
    hits, truth, predicted = (weights @ one for one in (counts.hits, counts.truth, counts.predicted))
    with np.errstate(invalid="ignore", divide="ignore"):
        if objective == "val_pixel_accuracy":
            return np.asarray(hits.sum(axis=1) / truth.sum(axis=1))
        # As in validation: a class that does not occur among the drawn images has no IoU.
        iou = np.where(truth > 0, hits / (truth + predicted - hits), np.nan)
        if objective == "val_mean_iou":
            return np.asarray(np.nansum(iou, axis=1) / (truth > 0).sum(axis=1))
    return np.asarray(iou[:, list(class_names).index(objective.removeprefix("val_iou_"))])
