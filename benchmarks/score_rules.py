"""What a trial's score should be: how well each rule ranks the trials of a rung, on a table of trained configurations.

For each rung of Hyperband's first bracket (27 epochs, factor 3), Spearman's rank correlation over configurations, a
mean over both seeds, between the score by each rule, from the epochs that the trial of the rung trains itself, and how
good the configuration is. The rules are those of `[study] score`, on the weights and on their running average (`ema`).
How good a configuration is, is the same for all rules: mean IoU on test scenes by the weights, over both seeds and the
last 3 of 27 epochs. Columns in `_kept` have, for each rule, the test scores of the weights that it keeps at the last
rung. `upper third`: of the configurations by how good they are, where noise decides.

`gain` is by how much `smoothed` ranks better than `best`, with a bootstrap interval of 95 % over configurations; below,
how good the configuration is that has the highest score of 20 random trainings of all 27 epochs (in expectation), and
what the weights that are kept of it score on test scenes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, get_args

import numpy as np
from scipy.stats import rankdata

from benchmarks._measure import arguments, report, with_progress
from benchmarks.tables.table import OBJECTIVE, Table, read_table
from search.oracle.schedule import Rung, make_schedule
from search.study.config import HyperbandSection
from search.study.scoring import ScoreRule, score_of

RESAMPLES = 2000
DRAWN = 20
INTERVAL = (0.025, 0.975)


@dataclass(frozen=True)
class Ranked:
    """What a rule makes of all trials that train the same epochs, `[configurations, seeds]`.

    Attributes:
        scores: on validation scenes.
        kept: scores on test scenes of the weights that it keeps.
    """

    scores: np.ndarray
    kept: np.ndarray


def main() -> None:
    """Compare the rules on every rung, and by what they choose at the end."""
    options = arguments(__doc__ or "")
    resamples = 20 if options.smoke else RESAMPLES
    table = read_table()
    good = table.final_test()
    last = rungs_of(table)[-1].last_epoch
    at_the_end = judge(table, rungs_of(table)[-1])
    kept = {rule: ranked.kept.mean(axis=1) for rule, ranked in at_the_end.items()}
    parts = {"all": np.arange(len(good)), "upper third": np.argsort(good)[-(len(good) // 3) :]}
    rows = [
        {
            "epochs": f"{rung.first_epoch + 1}-{rung.last_epoch}",
            "configurations": part,
            **row_of(judge(table, rung), good, kept, chosen, resamples),
        }
        for rung in with_progress("ranking", rungs_of(table))
        for part, chosen in parts.items()
    ]
    winners = winners_of(judge(table, Rung(1, 0, last)), good, resamples)
    report("score_rules", rows, recorded=table.recorded, trainings=table.val[:, :, 0].size, **winners)


def rungs_of(table: Table) -> tuple[Rung, ...]:
    """The rungs of the bracket that has most of them."""
    return make_schedule(HyperbandSection(max_epochs=table.val.shape[2])).brackets[0].rungs


def judge(table: Table, rung: Rung) -> dict[str, Ranked]:
    """The scores by each rule of trials that train the epochs of a rung."""
    series = {"": (table.val, table.test), "_ema": (table.averaged_val, table.averaged_test)}
    return {rule + suffix: _judge(rule, rung, *both) for suffix, both in series.items() for rule in get_args(ScoreRule)}


def _judge(rule: ScoreRule, rung: Rung, val: np.ndarray, test: np.ndarray) -> Ranked:
    scores, kept = np.empty(val.shape[:2]), np.empty(val.shape[:2])
    for place in np.ndindex(*scores.shape):
        epochs = range(rung.first_epoch + 1, rung.last_epoch + 1)
        score = score_of(((epoch, val[place][epoch - 1]) for epoch in epochs), rule, OBJECTIVE)
        assert score is not None  # every value is a number
        scores[place], kept[place] = score.value, test[place][score.epoch - 1]
    return Ranked(scores, kept)


def row_of(
    ranked: Mapping[str, Ranked], good: np.ndarray, kept: Mapping[str, np.ndarray], chosen: np.ndarray, resamples: int
) -> dict[str, Any]:
    """The correlations of some configurations."""
    drawn = bootstrap(chosen, resamples)
    best, smoothed = (correlation(ranked[rule].scores, good, drawn) for rule in ("best", "smoothed"))
    low, high = np.quantile(smoothed - best, INTERVAL)
    alone = chosen[np.newaxis]
    found = {rule: float(correlation(ranked[rule].scores, good, alone)[0]) for rule in ranked}
    own = {f"{rule}_kept": float(correlation(ranked[rule].scores, kept[rule], alone)[0]) for rule in ranked}
    interval = {"gain": found["smoothed"] - found["best"], "low": float(low), "high": float(high)}
    return {name: round(value, 4) + 0.0 for name, value in (found | interval | own).items()}  # no -0.0


def bootstrap(chosen: np.ndarray, resamples: int) -> np.ndarray:
    """Configurations drawn with replacement, `[resamples, configurations]`; the same ones for every rung and rule."""
    return chosen[np.random.default_rng(0).integers(len(chosen), size=(resamples, len(chosen)))]


def correlation(scores: np.ndarray, good: np.ndarray, drawn: np.ndarray) -> np.ndarray:
    """Spearman's rank correlation of each row of `drawn` configurations, a mean over the seeds."""
    target = _ranks(good[drawn])
    each = [(_ranks(scores[drawn, seed]) * target).sum(axis=1) for seed in range(scores.shape[1])]
    mean: np.ndarray = np.mean(each, axis=0)
    return mean


def _ranks(values: np.ndarray) -> np.ndarray:
    """Ranks along the rows, ties in the middle, as vectors of mean 0 and length 1."""
    ranks: np.ndarray = rankdata(values, axis=1)
    ranks -= ranks.mean(axis=1, keepdims=True)
    return ranks / np.linalg.norm(ranks, axis=1, keepdims=True)


def winners_of(ranked: Mapping[str, Ranked], good: np.ndarray, resamples: int) -> dict[str, Any]:
    """The expected test scores of what each rule chooses of `DRAWN` random trainings, and the rules' difference."""
    everything = np.arange(len(good))
    found: dict[str, Any] = {}
    for name, target in (("winner", "configuration"), ("winner_kept", "weights")):
        values = {rule: each.kept if target == "weights" else _for_seeds(good, each) for rule, each in ranked.items()}
        found |= {f"{name}_{rule}": round(expected_winner(ranked[rule].scores, values[rule]), 4) for rule in ranked}
        samples = [
            expected_winner(ranked["smoothed"].scores[drawn], values["smoothed"][drawn])
            - expected_winner(ranked["best"].scores[drawn], values["best"][drawn])
            for drawn in bootstrap(everything, resamples)
        ]
        found[f"{name}_gain"] = round(found[f"{name}_smoothed"] - found[f"{name}_best"], 4)
        found[f"{name}_gain_interval"] = [round(float(each), 4) for each in np.quantile(samples, INTERVAL)]
    return found


def _for_seeds(good: np.ndarray, ranked: Ranked) -> np.ndarray:
    return np.broadcast_to(good[:, np.newaxis], ranked.scores.shape)


def expected_winner(scores: np.ndarray, values: np.ndarray, drawn: int = DRAWN) -> float:
    """The mean of `values` of the highest score of `drawn` trainings, over all ways to draw them with replacement."""
    order = np.argsort(scores, axis=None, kind="stable")
    # That none is above the i-th lowest has the probability (i / n) ** drawn.
    chances = np.diff((np.arange(order.size + 1) / order.size) ** drawn)
    return float(chances @ values.reshape(-1)[order])


if __name__ == "__main__":
    main()
