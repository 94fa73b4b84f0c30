"""Whether the verdict's interval holds the true gain: simulated studies of networks whose true scores are known.

Each simulated study draws configurations, scores each from one seed on the validation images, confirms the best three
and the baseline from other seeds, and asks for the interval of the winner's gain: on the validation images by which it
was chosen, and on test images. Images, seeds and the choice of the best are the only sources of error. The share of
intervals that hold the true gain should be 95 %; beside it stands what the gain of the trial with the best score would
have been, with an interval over images alone. Takes about a minute; `--full` simulates 1,000 studies of each kind.
"""

from __future__ import annotations

from collections import Counter
from typing import Any, NamedTuple

import numpy as np

from benchmarks._measure import arguments, report, with_progress
from search.report.gain import Trained, confirmed_gain, resampled_gain, score_of_counts
from search.study import objective_of
from search.trial.validation import Validation

OBJECTIVE = objective_of("val_mean_iou")
NAMES = ("background", "object")
CONFIGURATIONS, TOP, BASELINE = 12, 3, 0
# In log odds of a pixel's error: between configurations, images, both together, and seeds.
KINDS = {"all equally good": 0.0, "little apart": 0.05, "far apart": 0.3}
OF_IMAGES, OF_BOTH, OF_SEEDS = 0.8, 0.15, 0.08
ERROR = -2.0
MANY_IMAGES, MANY_SEEDS = 4000, 20


class World(NamedTuple):
    """The errors of every configuration on every image of a split, before the seed: log odds `[C, N]`; object sizes."""

    log_odds: np.ndarray
    sizes: np.ndarray

    def counts(self, configuration: int, seed: float) -> Validation:
        """What a network of a configuration achieves, given what its seed adds to its error."""
        error = 1 / (1 + np.exp(-(self.log_odds[configuration] + seed)))
        wrong = np.round(error * self.sizes)
        truth = np.stack([10_000 - self.sizes, self.sizes], axis=1)
        hits = truth - wrong[:, None]
        return Validation(0.0, np.zeros((2, 2), np.int64), *(one.astype(np.int64) for one in (hits, truth, truth)))


def main() -> None:
    """Simulate, and print for each kind of study the share of intervals that hold the true gain."""
    options = arguments(__doc__ or "")
    studies = 5 if options.smoke else 1000 if options.full else 200
    cells = [(kind, seeds) for kind in KINDS for seeds in (2, 3)]
    rows = [row(kind, seeds, studies) for kind, seeds in with_progress("coverage", cells)]
    report("coverage", rows, studies=studies, worst=min(min(row["validation"], row["test"]) for row in rows))


def row(kind: str, seeds: int, studies: int) -> dict[str, Any]:
    """The shares of intervals that hold the true gain, over simulated studies of one kind."""
    held, asked = Counter[str](), 0
    for study in range(studies):
        found = simulate(np.random.default_rng([study, seeds, list(KINDS).index(kind)]), KINDS[kind], seeds)
        asked += found is not None
        held.update(found or {})
    share = {name: held[name] / max(asked, 1) for name in ("validation", "test", "best trial")}
    return {"study": kind, "seeds": seeds, "winners": asked, **share}


def simulate(rng: np.random.Generator, spread: float, seeds: int) -> Counter[str] | None:
    """Which intervals of one study hold the true gain; None where the baseline wins, which has no gain."""
    quality = ERROR + spread * rng.normal(size=CONFIGURATIONS)
    validation, test, many = (split(rng, quality, images) for images in (40, 60, MANY_IMAGES))
    chance = rng.normal(scale=OF_SEEDS, size=MANY_SEEDS)
    true = [np.mean([score(many.counts(each, seed)) for seed in chance]) for each in range(CONFIGURATIONS)]
    first = [validation.counts(each, rng.normal(scale=OF_SEEDS)) for each in range(CONFIGURATIONS)]
    ranked = sorted(set(range(CONFIGURATIONS)) - {BASELINE}, key=lambda each: -score(first[each]))
    drawn = {each: rng.normal(scale=OF_SEEDS, size=seeds) for each in (*ranked[:TOP], BASELINE)}
    trained = {each: networks(validation, each, drawn[each]) for each in drawn}
    winner = max(drawn, key=lambda each: np.mean(trained[each].scores))
    if winner == BASELINE:
        return None
    others = [trained[each] for each in drawn if each not in (winner, BASELINE)]
    held = Counter[str]()
    for name, world in (("validation", validation), ("test", test)):
        best, baseline = (networks(world, each, drawn[each]) for each in (winner, BASELINE))
        gain = confirmed_gain(best, baseline, others, OBJECTIVE, NAMES)
        held[name] += int((gain.low or 0.0) <= true[winner] - true[BASELINE] <= (gain.high or 0.0))
    low, high = resampled_gain(first[ranked[0]], first[BASELINE], OBJECTIVE.name, NAMES) or (0.0, 0.0)
    held["best trial"] += int(low <= true[ranked[0]] - true[BASELINE] <= high)
    return held


def split(rng: np.random.Generator, quality: np.ndarray, images: int) -> World:
    """Images of one split: some are harder than others, for all configurations and for single ones."""
    log_odds = quality[:, None] + rng.normal(scale=OF_IMAGES, size=images)
    log_odds = log_odds + rng.normal(scale=OF_BOTH, size=log_odds.shape)
    return World(log_odds, rng.uniform(500, 5000, images).round())


def networks(world: World, configuration: int, seeds: np.ndarray) -> Trained:
    """One configuration, trained from several seeds."""
    counts = [world.counts(configuration, seed) for seed in seeds]
    return Trained([score(one) for one in counts], counts)


def score(counts: Validation) -> float:
    """The objective over all images."""
    return score_of_counts(counts, OBJECTIVE.name, NAMES)


if __name__ == "__main__":
    main()
