"""Synchronous successive halving: exactly the best of a whole rung continue."""

from __future__ import annotations

from search.oracle.brackets import RungProgress
from search.oracle.trials import StudyTrial


class SynchronousPromotion:
    """Promotes a trial as soon as it is certain to be among the best of its rung.

    The rung's result is that of Li et al. 2018, "Hyperband", algorithm 1, whatever the order in which trials end; only
    the waiting is shorter: a trial that fewer unfinished ones can still beat than there are places need not wait.
    """

    def choose(self, rung: RungProgress, *, expected: int, places: int) -> StudyTrial | None:
        """The best trial that was not promoted before, where it is certain; see `Promotion.choose`."""
        candidates = len(rung.ended) - len(rung.promoted)
        if len(rung.promoted) >= places or candidates <= expected - places:
            return None
        best = next((trial for trial in rung.ended if trial.trial_id not in rung.promoted), None)
        return best if best is not None and best.status == "COMPLETED" else None

    def may_choose(self, trial: StudyTrial, rung: RungProgress, *, places: int) -> bool:
        """Whether fewer trials than there are places have ended with a better score."""
        return trial.trial_id not in rung.promoted and rung.ended.better_than(trial) < places
