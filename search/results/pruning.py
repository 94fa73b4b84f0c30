"""Which checkpoints are kept: those that a promotion, a resumption or an export can still need."""

from __future__ import annotations

import logging
import shutil

from search.oracle.study_oracle import StudyOracle
from search.oracle.trials import StudyTrial
from search.results.front import pareto_front
from search.study.folder import Study
from search.study.ids import BASELINE, confirmation_of
from search.study.objective import objective_of
from search.trial.checkpoint import weights_file

# Best trials that keep their checkpoints, for export; the baseline, the Pareto front and the confirmations do too.
KEEP_BEST = 3

log = logging.getLogger(__name__)


class Pruner:
    """Removes checkpoints once nothing can need them; looks only at trials that have ended and still keep one.

    Args:
        study: the folder of the trials.
        oracle: says which trials may still be promoted.
    """

    def __init__(self, study: Study, oracle: StudyOracle) -> None:
        self._study, self._oracle = study, oracle
        self._last: dict[str, StudyTrial] = {}
        self._best: dict[str, StudyTrial] = {}
        # Kept from trial to trial, so that a trial costs the same however many there are.
        self._front: list[StudyTrial] = []

    def add(self, trial: StudyTrial) -> None:
        """Watch the checkpoints of a trial that has ended."""
        self._last[trial.trial_id] = self._best[trial.trial_id] = trial
        if trial.status == "COMPLETED" and confirmation_of(trial.trial_id) is None:
            self._front = pareto_front([*self._front, trial], _macs, self._goodness)

    def prune(self) -> None:
        """Remove the checkpoints that no promotion, resumption or export can need.

        A trial that failed keeps the one of its best epoch while that is among the best scores.
        """
        parents = self._parents_in_use()
        for trial in list(self._last.values()):
            if trial.trial_id not in parents and not self._oracle.may_be_promoted(trial):
                self._remove(self._last.pop(trial.trial_id), "last")
        state = self._oracle.state
        # The best completed trial by itself, because failed ones may have better scores.
        best = [*state.completed.best(1), *state.scored.best(KEEP_BEST), *self._front]
        exported = {trial.trial_id for trial in best}
        for trial in list(self._best.values()):
            if trial.trial_id not in exported | {BASELINE} and confirmation_of(trial.trial_id) is None:
                self._remove(self._best.pop(trial.trial_id), "best")

    def _goodness(self, trial: StudyTrial) -> float:
        return objective_of(self._oracle.objective.name).sign * float(trial.score or 0.0)

    def _parents_in_use(self) -> set[str | None]:
        """The trials whose promotions have no checkpoint of their own yet."""
        return {trial.parent_id for trial in self._oracle.ongoing_trials.values() if not self._has_checkpoint(trial)}

    def _has_checkpoint(self, trial: StudyTrial) -> bool:
        return weights_file(self._study.trial(trial.trial_id) / "last") is not None

    def _remove(self, trial: StudyTrial, name: str) -> None:
        log.debug("trial %s: the checkpoint %s is no longer needed", trial.trial_id, name)
        shutil.rmtree(self._study.trial(trial.trial_id) / name, ignore_errors=True)


def _macs(trial: StudyTrial) -> float:
    return float(trial.record["macs"])
