"""Failures whose cause must lie outside the configurations: they stop a search, and the next run tries them again."""

from __future__ import annotations

from collections.abc import Iterable

from search.driver.announcer import failed_alike, nothing_completed
from search.errors import SearchStopped
from search.oracle.study_oracle import StudyOracle
from search.oracle.trials import StudyTrial
from search.study.folder import Study


class Failures:
    """Decides when a search stops because its trials fail, which nothing is gained by.

    Args:
        study: whose logs the message names.
        oracle: has the trials.
        most: `[limits] abort_after_failures`.
    """

    def __init__(self, study: Study, oracle: StudyOracle, most: int) -> None:
        self._study, self._oracle, self._most = study, oracle, most
        self._streak: list[StudyTrial] = []

    def try_again(self) -> str | None:
        """Reopen the trials whose failures have stopped the search before; returns what to say of it.

        A trial stays as it is after whose failure another one of its rung was promoted: that cannot be taken back.
        """
        ended = [self._oracle.trials[trial_id] for trial_id in self._oracle.end_order]
        if self._oracle.has_only_failed(1 if self._study.finished_file.exists() else self._most):
            self._oracle.reopen(ended)
            return f"all {len(ended)} trials had failed; they are tried again"
        streak = _streak(ended)
        again = [trial for trial in streak if not self._oracle.state.has_decided(trial)]
        if len(streak) < self._most or not again:
            return None
        self._oracle.reopen(again)
        return f"the last {len(streak)} trials had failed alike; {len(again)} are tried again"

    def add(self, trial: StudyTrial) -> None:
        """Take in the end of a trial. Raises SearchStopped if going on is pointless."""
        self._streak = _streak([*self._streak, trial])
        if self._oracle.has_only_failed(self._most):
            failed = [self._oracle.trials[trial_id] for trial_id in self._oracle.end_order]
            raise SearchStopped(nothing_completed(failed, self._log(failed)))
        if len(self._streak) >= self._most:
            raise SearchStopped(failed_alike(self._streak, self._log(self._streak)))

    def _log(self, failed: list[StudyTrial]) -> object:
        return self._study.trial(failed[-1].trial_id) / "log.txt"


def _streak(ended: Iterable[StudyTrial]) -> list[StudyTrial]:
    """The trials that ended last, as far as they failed in the same way with the same reason.

    A trial that diverged is not one of them: it has trained, so its machine, its data and its weights were there.
    """
    streak: list[StudyTrial] = []
    for trial in sorted(ended, key=lambda trial: trial.record.get("ended") or 0.0):
        if trial.status != "FAILED" or trial.record["status"] == "diverged":
            streak = []
        elif streak and _reason(trial) != _reason(streak[-1]):
            streak = [trial]
        else:
            streak.append(trial)
    return streak


def _reason(trial: StudyTrial) -> tuple[str, str]:
    """How a trial failed, without its own name in it."""
    record = trial.record
    return record["status"], str(record.get("error")).replace(trial.trial_id, "")
