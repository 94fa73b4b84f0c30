"""What choosing by score does: how much luck it adds, and which smaller network is as good within its noise."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy import stats

from search.report.compared import last_epochs
from search.report.gain import standard_error
from search.report.history import History
from search.study.scoring import SMOOTHED_EPOCHS


def expected_luck(history: History) -> float | None:
    """How far the best of so many equally good configurations is expected to lie above their mean, by chance alone.

    By the expected largest of as many normal values (Blom 1958, "Statistical Estimates and Transformed Beta-Variables")
    and by how much the scores of the finalists, which have trained longest, move from one epoch to the next. None where
    that is not known.
    """
    noise, count = noise_of_finalists(history), len(history.configurations)
    if noise is None or count < 2:
        return None
    return noise * float(stats.norm.ppf((count - 0.375) / (count + 0.25)))


def noise_of_finalists(history: History) -> float | None:
    """The standard deviation of a finalist's score around its course, from the steps between its last epochs.

    A smoothed score is a mean over epochs, whose noise counts as independent.
    """
    found = history.configurations
    finalists = found[found["last_epoch"] == found["last_epoch"].max()] if len(found) else found
    moves = [np.diff(last_epochs(history, str(config_id)).to_numpy(np.float64)) for config_id in finalists["config_id"]]
    differences = np.concatenate([np.zeros(0), *moves])
    if len(differences) < 2:
        return None
    # The difference of two independent values has twice the variance of one.
    of_an_epoch = float(np.sqrt(np.mean(differences**2) / 2))
    if history.config.study.score == "best":
        return of_an_epoch
    own = (finalists["last_epoch"] - finalists["first_epoch"] + 1).min()
    return of_an_epoch / float(np.sqrt(min(SMOOTHED_EPOCHS, own)))


def smallest_within_noise(history: History) -> pd.Series | None:
    """The trial with the fewest MACs among those within one standard error of the best score.

    The rule of Breiman et al. 1984, "Classification and Regression Trees", section 3.4.3, with the standard error over
    the validation images. None where that is not known.
    """
    best, candidates = history.best, history.completed
    if best is None or not len(candidates):
        return None
    goodness = history.objective.sign * candidates["score"].astype(float)
    own = candidates[candidates["config_id"] == best["config_id"]]
    if not len(own):
        return None
    reference = goodness[own.index].max()
    kept = history.best_epoch(own.loc[goodness[own.index].idxmax()]) or history.best_epoch(best)
    error = None if kept is None else standard_error(kept.validation, history.objective.name, history.class_names)
    if error is None:
        return None
    as_good = candidates.assign(goodness=goodness)[reference - goodness <= error]
    return as_good.sort_values(["macs", "goodness"], ascending=[True, False]).iloc[0]
