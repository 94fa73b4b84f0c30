"""The score of a trial: one number made of the values that the objective had after its epochs."""

from __future__ import annotations

import math
from collections.abc import Iterable
from statistics import fmean
from typing import Literal, NamedTuple

from search.study.objective import Objective

ScoreRule = Literal["best", "smoothed"]
# Epochs that a smoothed score is the mean of.
SMOOTHED_EPOCHS = 3


class Score(NamedTuple):
    """A trial's score, and the epoch whose weights stand for it."""

    value: float
    epoch: int


def score_of(values: Iterable[tuple[int, float]], rule: ScoreRule, objective: Objective) -> Score | None:
    """The score of a trial from (epoch, value of the objective) of the epochs that it trained itself, in their order.

    `best` is the highest value, which rewards luck: the more a value moves from epoch to epoch, the further its highest
    lies above what further images would show. `smoothed` is the mean over the last `SMOOTHED_EPOCHS` epochs, and the
    last one's weights are kept. Epochs whose value is not a number do not count; None, where none does.
    """
    known = [Score(value, epoch) for epoch, value in values if math.isfinite(value)]
    if not known:
        return None
    if rule == "smoothed":
        return Score(fmean(score.value for score in known[-SMOOTHED_EPOCHS:]), known[-1].epoch)
    # Of equals, the first.
    return max(known, key=lambda score: objective.sign * score.value)
