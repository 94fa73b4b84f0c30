"""Failures in a row for one reason stop a search, and are tried again; what a configuration does itself is not."""

from __future__ import annotations

from pathlib import Path

import pytest

from search.driver.failures import Failures
from search.errors import SearchStopped
from search.oracle.study_oracle import StudyOracle
from search.oracle.trials import StudyTrial
from search.study.folder import Study
from tests.unit.search.oracles import make_oracle

MOST = 3


class Search:
    """Ends trials of a rung of nine one after the other, as the driver does."""

    def __init__(self, folder: Path) -> None:
        self.study = Study(folder)
        self.oracle: StudyOracle = make_oracle(folder)
        self.failures = Failures(self.study, self.oracle, MOST)

    def end(self, status: str, error: str | None = None) -> StudyTrial:
        trial = self.oracle.create_trial(f"slot{len(self.oracle.trials)}")
        if status == "completed":
            self.oracle.report(trial.trial_id, [{"epoch": 1, "val_mean_iou": 0.5}], ("val_mean_iou",))
        trial.record |= {"status": status, "error": error and error.format(trial.trial_id)}
        self.oracle.finish(trial.trial_id, "COMPLETED" if status == "completed" else "FAILED", error)
        self.failures.add(trial)
        return trial


@pytest.fixture
def search(tmp_path: Path) -> Search:
    search = Search(tmp_path)
    search.end("completed")
    return search


@pytest.mark.parametrize("error", ["weights are missing", "no permission for trial_{}/log.txt"])
def test_failures_alike_in_a_row_stop_it_and_the_next_run_tries_them_again(search: Search, error: str) -> None:
    failed = [search.end("failed", error) for _ in range(MOST - 1)]
    with pytest.raises(SearchStopped, match=f"the last {MOST} trials failed, all with the same reason: "):
        search.end("failed", error)
    again = Search(search.study.folder)
    assert again.failures.try_again() == f"the last {MOST} trials had failed alike; {MOST} are tried again"
    waiting = {trial.trial_id for trial in again.oracle.ongoing_trials.values()}
    assert waiting > {trial.trial_id for trial in failed}
    assert len(waiting) == MOST
    assert again.failures.try_again() is None


@pytest.mark.parametrize(
    "ends",
    [
        [("failed", "a"), ("failed", "b")] * 2,
        [("failed", "a"), ("lost", "a")] * 2,
        [("failed", "a"), ("failed", "a"), ("completed", None)] * 2,
        [("diverged", "the loss is not finite")] * 4,
    ],
)
def test_other_ends_do_not(search: Search, ends: list[tuple[str, str | None]]) -> None:
    for status, error in ends:
        search.end(status, error)
    assert Search(search.study.folder).failures.try_again() is None


def test_a_larger_limit_goes_on_without_them(search: Search) -> None:
    for _ in range(MOST - 1):
        search.end("failed", "a")
    with pytest.raises(SearchStopped):
        search.end("failed", "a")
    study = search.study
    assert Failures(study, make_oracle(study.folder), MOST + 1).try_again() is None
