"""Whether a trial still makes progress."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from search.system.files import write_json
from search.trial.progress import PROGRESS_FILE, ProgressWatch


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def report(trial: Path, step: int) -> None:
    write_json(trial / PROGRESS_FILE, {"step": step}, durable=False)


def test_a_trial_that_never_reports_is_still_since_it_was_submitted(tmp_path: Path, clock: Clock) -> None:
    watch = ProgressWatch(tmp_path, clock)
    clock.now += 7
    assert watch.seconds_still() == 7
    clock.now += 5
    assert watch.seconds_still() == 12


def test_new_content_is_a_sign_of_life_and_the_same_content_is_none(tmp_path: Path, clock: Clock) -> None:
    watch = ProgressWatch(tmp_path, clock)
    clock.now += 7
    report(tmp_path, 1)
    assert watch.seconds_still() == 0
    clock.now += 3
    report(tmp_path, 1)
    assert watch.seconds_still() == 3
    report(tmp_path, 2)
    assert watch.seconds_still() == 0


@pytest.mark.parametrize("skew", [-86_400, 86_400])
def test_the_clock_of_the_trials_machine_does_not_matter(tmp_path: Path, clock: Clock, skew: float) -> None:
    watch = ProgressWatch(tmp_path, clock)
    for step in range(3):
        clock.now += 10
        report(tmp_path, step)
        modified = (tmp_path / PROGRESS_FILE).stat().st_mtime + skew
        os.utime(tmp_path / PROGRESS_FILE, (modified, modified))
        assert watch.seconds_still() == 0
    clock.now += 60
    assert watch.seconds_still() == 60


def test_a_file_of_an_earlier_attempt_is_no_sign_of_life(tmp_path: Path, clock: Clock) -> None:
    report(tmp_path, 5)
    watch = ProgressWatch(tmp_path, clock)
    clock.now += 9
    assert watch.seconds_still() == 9


def test_a_file_that_is_gone_for_a_moment_is_no_sign_of_life(tmp_path: Path, clock: Clock) -> None:
    report(tmp_path, 5)
    watch = ProgressWatch(tmp_path, clock)
    clock.now += 4
    (tmp_path / PROGRESS_FILE).unlink()
    assert watch.seconds_still() == 4
    report(tmp_path, 5)
    assert watch.seconds_still() == 4


def test_the_default_clock_runs(tmp_path: Path) -> None:
    watch = ProgressWatch(tmp_path)
    assert 0 <= watch.seconds_still() < 60
