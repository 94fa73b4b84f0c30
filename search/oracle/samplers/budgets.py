"""Which results are compared: those at equal epochs, and enough of them.

Falkner et al. 2018, "BOHB", section 4: the largest budget with enough results, because a result after more epochs is
closer to what is searched for.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from search.oracle.points import Observation


def enough(dimensions: int) -> int:
    """The results at equal epochs from which a space of so many hyperparameters is modelled."""
    # BOHB: N_min + 2, where N_min = d + 1.
    return dimensions + 3


def largest_budget(observations: Sequence[Observation], least: int) -> list[Observation]:
    """The observations at the most epochs at which at least so many have completed; none where too few have."""
    by_epochs = defaultdict(list)
    for observation in observations:
        by_epochs[observation.epochs].append(observation)
    for _, found in sorted(by_epochs.items(), reverse=True):
        completed = sum(observation.score is not None for observation in found)
        # Of mostly failures, the model's best ones would be failures too.
        if completed >= max(least, len(found) / 2):
            return found
    return []


def best(observations: Sequence[Observation]) -> Observation:
    """The best observation at the most epochs at which any has completed."""
    completed = [each for each in observations if each.score is not None]
    return max(completed, key=lambda each: (each.epochs, each.score))
