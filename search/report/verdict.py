"""The verdict: what the search has gained, how sure that is, and what it cost."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from search.report.history import History
from search.study import BASELINE
from search.system.wording import duration, plural, rounded, signed
from search.trial.validation import Validation

# Resamplings of the validation images, and the share of them that an interval holds.
RESAMPLES, LEVEL = 2000, 95
# Last epochs of a training, whose spread is used if the results of single images have been removed.
LAST_EPOCHS = 3


@dataclass(frozen=True)
class Gain:
    """The best trial's distance from the baseline, positive if it is better.

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


def gain_of(history: History) -> Gain | None:
    """How much better the best trial is than the baseline; None if there are no two to compare."""
    best, baseline = history.best, history.baseline
    if best is None or baseline is None or best["trial_id"] == BASELINE:
        return None
    value = history.objective.gain(best["score"], baseline["score"])
    kept = history.best_epoch(best), history.best_epoch(baseline)
    if kept[0] is not None and kept[1] is not None and len(kept[0].validation.hits) == len(kept[1].validation.hits):
        found = resampled_gain(kept[0].validation, kept[1].validation, history.objective.name, history.class_names)
        if found is not None:
            method = (
                f"The interval holds {LEVEL} % of {RESAMPLES:,} resamplings of the {len(kept[0].validation.hits)} "
                "validation images, the same images for both networks (paired bootstrap). It does not include "
                "the randomness of training: another seed gives other weights."
            )
            return Gain(value, *found, method)
    return _gain_by_epochs(history, value, str(best["config_id"]), str(baseline["config_id"]))


def resampled_gain(
    best: Validation, baseline: Validation, objective: str, class_names: list[str]
) -> tuple[float, float] | None:
    """The interval of the difference of two networks' scores over resampled images.

    Efron 1979, "Bootstrap Methods: Another Look at the Jackknife": images are drawn with replacement, the same ones for
    both networks, and the objective is computed from their summed pixel counts, as it is over the whole split. None if
    the objective cannot be computed from the counts, such as a loss.
    """
    images = len(best.hits)
    if objective == "val_loss" or images < 2:
        return None
    rng = np.random.default_rng(0)
    weights = rng.multinomial(images, np.full(images, 1 / images), size=RESAMPLES).astype(np.float64)
    differences = _score(best, weights, objective, class_names) - _score(baseline, weights, objective, class_names)
    differences = differences[np.isfinite(differences)]
    if not len(differences):
        return None
    tail = (100 - LEVEL) / 2
    low, high = np.percentile(differences, [tail, 100 - tail])
    return float(low), float(high)


def _score(counts: Validation, weights: np.ndarray, objective: str, class_names: list[str]) -> np.ndarray:
    """The objective of each row of `weights` `[R, N]`, how often each image counts, `[R]`."""
    hits, truth, predicted = (weights @ one for one in (counts.hits, counts.truth, counts.predicted))
    with np.errstate(invalid="ignore", divide="ignore"):
        if objective == "val_pixel_accuracy":
            return np.asarray(hits.sum(axis=1) / truth.sum(axis=1))
        iou = np.where(truth > 0, hits / (truth + predicted - hits), np.nan)
        if objective == "val_mean_iou":
            return np.asarray(np.nansum(iou, axis=1) / (truth > 0).sum(axis=1))
    return np.asarray(iou[:, class_names.index(objective.removeprefix("val_iou_"))])


def _gain_by_epochs(history: History, value: float, *config_ids: str) -> Gain:
    """The gain if the results of single images are missing: from the spread of the last epochs of both trainings."""
    missing = "The results of single validation images are not in this study folder"
    variance = 0.0
    for config_id in config_ids:
        own = history.epochs[history.epochs["config_id"] == config_id].sort_values("epoch")
        last = own[history.objective.name].dropna().tail(LAST_EPOCHS)
        if len(last) < 2:
            return Gain(value, None, None, f"{missing}, and there are too few epochs to judge the spread.")
        variance += float(last.var())
    margin = 1.96 * variance**0.5
    method = (
        f"{missing}; the interval is 1.96 standard deviations of the last {LAST_EPOCHS} epochs of both trainings. It "
        "says how much the score moves from epoch to epoch, and nothing about other images."
    )
    return Gain(value, value - margin, value + margin, method)


def verdict_of(history: History) -> tuple[str, list[str]]:
    """The verdict in one sentence, and what must be known to read it."""
    best, baseline, objective = history.best, history.baseline, history.objective.name
    notes = _progress_notes(history)
    if best is None:
        return "No trial has completed yet.", notes
    name = f"Configuration {best['config_id']} (trial {best['trial_id']})"
    reached = f"{name} reaches {objective} {rounded(best['score'])}"
    if best["trial_id"] == BASELINE:
        return f"No configuration is better than the tutorial's baseline: {objective} {rounded(best['score'])}.", notes
    gain = gain_of(history)
    if gain is None or baseline is None:
        return f"{reached}. There is no completed baseline to compare with.", notes
    sentence = f"{reached}, {gain} better than the tutorial's baseline." if gain.value >= 0 else f"{reached}."
    if gain.low is not None and not gain.is_sure:
        notes = ["The interval contains zero: on these images the gain may be chance.", *notes]
    tried = len(history.configurations)
    chosen = (
        f"The best of {tried} configurations was chosen by this very score, so the gain is somewhat overestimated "
        "(selection). Images that the search never saw, such as the test split, tell the true one."
    )
    return sentence, [gain.method, chosen, _cost_sentence(best, baseline, history), *notes]


def facts_of(history: History) -> list[tuple[str, str]]:
    """The numbers that accompany the verdict."""
    best, baseline, snapshot = history.best, history.baseline, history.snapshot
    facts = [(f"best {history.objective.name}", "" if best is None else rounded(best["score"]))]
    if baseline is not None:
        facts.append(("baseline's", rounded(baseline["score"])))
    if best is not None:
        for name, cost in history.costs.items():
            if pd.isna(best[name]):
                continue
            compared = ""
            if baseline is not None and pd.notna(baseline[name]):
                compared = f", baseline {cost.shown(baseline[name])}"
            facts.append((f"{cost.label} of the best", f"{cost.shown(best[name])}{compared}"))
    facts += [
        ("trials", f"{snapshot.finished} of {snapshot.trials_total}, {len(history.failed)} failed"),
        ("epochs trained", f"{snapshot.epochs_done:.0f} of {snapshot.epochs_total}"),
        ("time of all trials", duration(float(history.trials["total_seconds"].fillna(0).sum()))),
        ("from first start to last end", _span(history)),
    ]
    return [(label, text) for label, text in facts if text]


def _cost_sentence(best: pd.Series, baseline: pd.Series, history: History) -> str:
    parts = [
        f"{best[name] / baseline[name]:.2f} times the {cost.label}"
        for name, cost in history.costs.items()
        if baseline[name] > 0
    ]
    return f"It has {' and '.join(parts)} of the baseline's network." if parts else ""


def _progress_notes(history: History) -> list[str]:
    if history.snapshot.is_over:
        return []
    left = history.snapshot.trials_total - history.snapshot.finished
    return [f"The search is not over: {plural(left, 'trial')} to go. This page shows the results so far."]


def _span(history: History) -> str:
    if "started" not in history.trials or history.trials["finished"].notna().sum() == 0:
        return ""
    return duration((history.trials["finished"].max() - history.trials["started"].min()).total_seconds())
