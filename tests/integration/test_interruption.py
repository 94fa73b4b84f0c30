"""A search that is killed, killed again, interrupted and continued gives what it gives undisturbed."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from tests.faults.trials import OF_THE_EPOCH, assert_same_results, trials_of
from tests.integration.program import (
    PATIENCE,
    PROGRAM,
    Result,
    Running,
    Table,
    deeplab_search,
    deeplab_search_here,
    environment,
    listing,
    running,
    wait_until,
    write_study,
)

# A whole search, disturbed three times, on a machine that may be busy.
pytestmark = pytest.mark.timeout(600)

PROMOTED = "0000-1"


@dataclass
class Disturbed:
    """What was seen while a search was killed three times and interrupted, and the folder it ended in."""

    study: Path
    killed: dict[str, str]
    outlived: list[int]
    interrupted: int
    interruption: str
    last: Result
    decoded: list[str]


def lines(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.exists() else []


def whole_epochs(study: Path) -> dict[str, str]:
    """Every row of every trial's own epochs, by trial and epoch."""
    rows = {}
    for path in study.glob("trial_*/epochs.csv"):
        for line in lines(path)[1:]:
            trial, _, epoch, *_ = line.split(",")
            rows[f"{trial}/{epoch}"] = line
    return rows


def in_the_middle_of(study: Path, trial: str) -> bool:
    """Whether a trial has done its first epoch; another one must follow."""
    return len(lines(study / f"trial_{trial}" / "epochs.csv")) == 2


def is_training(study: Path, trial: str) -> bool:
    """Whether a trial is in the middle of an epoch."""
    return '"phase": "train"' in "".join(lines(study / f"trial_{trial}" / "progress.json"))


@pytest.fixture(scope="module")
def disturbed(tmp_path_factory: pytest.TempPathFactory, tiny: Table) -> Disturbed:
    folder = tmp_path_factory.mktemp("disturbed")
    command = ("run", write_study(folder / "tiny.toml", tiny), "--workers")
    study = folder / "results" / "tiny"

    with running(*command, "2", cwd=folder) as first:
        first.until(lambda: in_the_middle_of(study, PROMOTED))
        first.kill()
    killed = whole_epochs(study)

    with running(*command, "2", cwd=folder) as second:
        second.until(lambda: len(second.members()) > 2 and "starts" in second.output)
        os.kill(second.process.pid, signal.SIGKILL)
        second.process.wait()
        wait_until(lambda: not second.members(), lambda: f"trials outlive their driver: {second.members()}")
        outlived = second.members()
        assert "resource_tracker" not in second.output, second.output

    # In its last epoch: whether another trial has still to follow depends on how fast the two workers were.
    with running(*command, "1", cwd=folder) as third:
        third.until(lambda: f"trial {PROMOTED} starts" in third.output and is_training(study, PROMOTED))
        os.kill(third.process.pid, signal.SIGINT)
        interrupted = third.wait()
    decoded = [path.name for path in study.glob("cache/*/*.npy")]

    last = deeplab_search(*command, "4", cwd=folder)
    assert last.status == 0, last.all
    return Disturbed(study, killed, outlived, interrupted, third.output, last, decoded)


def test_no_finished_epoch_is_lost_or_trained_again(disturbed: Disturbed) -> None:
    assert f"{PROMOTED}/2" in disturbed.killed
    assert f"{PROMOTED}/3" not in disturbed.killed
    assert whole_epochs(disturbed.study).items() >= disturbed.killed.items()


def test_no_row_is_doubled_or_missing(disturbed: Disturbed, study: Path) -> None:
    for name, key in (("trials.csv", ["trial_id"]), ("epochs.csv", ["trial_id", "epoch"])):
        rows = pd.read_csv(disturbed.study / name)
        assert not rows.duplicated(key).any()
        assert len(rows) == len(pd.read_csv(study / name))


def test_trials_are_those_of_an_undisturbed_run(disturbed: Disturbed, study: Path) -> None:
    """With epochs and weights, to the last digit, however often they were killed, and by any number of workers."""
    assert_same_results(disturbed.study, study)


def curves_of(study: Path, run: str) -> dict[str, list[tuple[int, bytes]]]:
    """Every point and picture of a run in TensorBoard, but for what is measured of the machine."""
    events = EventAccumulator(str(study / "tensorboard" / run), size_guidance={"tensors": 0})
    events.Reload()
    of_the_run = {"best/seconds", *(f"trial/{name}" for name in OF_THE_EPOCH)}
    return {
        tag: [(event.step, event.tensor_proto.SerializeToString()) for event in events.Tensors(tag)]
        for tag in set(events.Tags()["tensors"]) - of_the_run
    }


def test_curves_and_pictures_are_those_of_an_undisturbed_run(disturbed: Disturbed, study: Path) -> None:
    trials = trials_of(study)
    last = trials.sort_values("last_epoch").groupby("config_id").tail(1).index
    assert PROMOTED in last
    for trial in last:
        found, expected = (curves_of(folder, trial.partition("-")[0]) for folder in (disturbed.study, study))
        assert found.keys() == expected.keys()
        for tag, points in found.items():
            assert points == expected[tag], (trial, tag)
    steps = [step for step, _ in curves_of(disturbed.study, PROMOTED.partition("-")[0])["validation/mean_iou"]]
    assert steps == [1, 2, 3], "no point is doubled"


def test_a_killed_trial_was_tried_again(disturbed: Disturbed) -> None:
    assert trials_of(disturbed.study)["attempts"].to_dict()[PROMOTED] > 1


def test_trials_end_with_their_driver(disturbed: Disturbed) -> None:
    assert disturbed.outlived == []


def test_ctrl_c_ends_with_130_and_the_command_that_continues(disturbed: Disturbed) -> None:
    assert disturbed.interrupted == 130, disturbed.interruption
    assert "stopping after the epochs in flight" in disturbed.interruption
    assert disturbed.interruption.rstrip().endswith(
        f"deeplab-search run {disturbed.study.parents[1]}/tiny.toml --workers 1"
    )
    assert "Traceback" not in disturbed.interruption


def test_decoded_images_wait_for_the_search_to_go_on(disturbed: Disturbed) -> None:
    assert sorted(disturbed.decoded) == [
        f"{split}.{kind}.npy" for split in ("train", "val") for kind in ("images", "masks")
    ]
    assert not (disturbed.study / "cache").exists()


def test_nothing_is_left_of_an_interrupted_run(disturbed: Disturbed) -> None:
    left = [name for name in listing(disturbed.study) if "partial" in name or name.endswith(".tmp") or ".stop" in name]
    assert not left


@pytest.fixture
def search(tmp_path: Path, tiny: Table) -> Iterator[Running]:
    """A search in its first trials, which are too long to end in a test."""
    hyperband = {"max_epochs": 900, "min_epochs": 900}
    with running("run", write_study(tmp_path / "tiny.toml", tiny, hyperband=hyperband), cwd=tmp_path) as command:
        command.until(lambda: "trial baseline starts" in command.output)
        yield command


def test_one_driver_a_study_status_meanwhile_and_ctrl_c_twice(search: Running, tmp_path: Path) -> None:
    for arguments in (["run", "tiny.toml"], ["run", "tiny.toml", "--fresh"]):
        second = deeplab_search_here(*arguments, cwd=tmp_path)
        assert second.status == 2, second.all
        assert f"another run drives this study (process {search.process.pid} on " in second.err
        assert "deeplab-search status results/tiny" in second.err

    shown = deeplab_search_here("status", "results/tiny", cwd=tmp_path)
    assert shown.status == 0, shown.all
    assert "0/9 trials" in shown.out
    assert "baseline" in shown.out
    assert "running" in shown.out

    os.kill(search.process.pid, signal.SIGINT)
    search.until(lambda: "press Ctrl-C again" in search.output)
    os.kill(search.process.pid, signal.SIGINT)
    assert search.wait() == 130, search.output
    assert "Traceback" not in search.output
    wait_until(lambda: not search.members())
    assert trials_of(tmp_path / "results" / "tiny").loc["baseline", "status"] in ("queued", "running")

    shown = deeplab_search_here("status", "results/tiny", cwd=tmp_path)
    assert "not running now" in shown.out


ONE_TRIAL: Table = {"hyperband": {"max_epochs": 1, "baseline": False}}
# Gives a program the terminal at its standard input, which then tells it when it is closed.
IN_TERMINAL = """
import fcntl, os, sys, termios
os.setsid()
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv(sys.argv[1], sys.argv[1:])
"""


def assert_finished_unseen(study: Path) -> None:
    """The search went on to its end, and said so in its log."""
    assert list(trials_of(study)["status"]) == ["completed"]
    assert (study / "best.toml").exists()
    assert (study / ".finished").exists()
    assert "trial 0000-0 completed" in (study / "driver.log").read_text()


@pytest.mark.long
def test_a_search_whose_output_nobody_reads_any_more_goes_on(tmp_path: Path, tiny: Table) -> None:
    write_study(tmp_path / "tiny.toml", tiny, **ONE_TRIAL)
    command = f"'{PROGRAM}' run tiny.toml | head -n 1; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(
        ["bash", "-c", command], cwd=tmp_path, env=environment(), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 1
    assert done.stderr == ""
    assert_finished_unseen(tmp_path / "results" / "tiny")


# The test before takes a search's output away too, and always runs.
@pytest.mark.long
def test_a_search_whose_terminal_is_closed_goes_on(tmp_path: Path, tiny: Table) -> None:
    file = write_study(tmp_path / "tiny.toml", tiny, **ONE_TRIAL)
    screen, terminal = pty.openpty()
    command = [sys.executable, "-c", IN_TERMINAL, str(PROGRAM), "run", str(file)]
    shown = environment(TERM="xterm-256color")
    search = subprocess.Popen(command, cwd=tmp_path, env=shown, stdin=terminal, stdout=terminal, stderr=terminal)
    try:
        os.close(terminal)
        seen = b""
        while b"trial 0000-0 starts" not in seen:
            seen += os.read(screen, 1 << 16)
        os.close(screen)
        assert search.wait(PATIENCE) == 0
    finally:
        search.kill()
        search.wait()
    assert_finished_unseen(tmp_path / "results" / "tiny")


@pytest.mark.long
def test_a_hangup_alone_does_not_end_a_search(search: Running) -> None:
    os.kill(search.process.pid, signal.SIGHUP)
    os.kill(search.process.pid, signal.SIGINT)
    search.until(lambda: "press Ctrl-C again" in search.output)
    os.kill(search.process.pid, signal.SIGINT)
    assert search.wait() == 130, search.output
