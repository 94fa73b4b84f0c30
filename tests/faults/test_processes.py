"""A trial's process: it ends with everything it has started, and gives what it would have given undisturbed."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from multiprocessing import forkserver
from pathlib import Path

import pytest

from search.executors.devices import share_devices
from search.executors.local import LocalExecutor
from search.executors.process import OwnProcess, ProcessLost, ServerLost
from search.study.folder import Study
from search.trial.checkpoint import weights_file
from search.trial.contract import Outcome, TrialSpec
from tests.faults.trials import assert_same_weights
from tests.integration.program import wait_until

pytestmark = pytest.mark.timeout(600)


def hang_with_a_child(spec: TrialSpec) -> Outcome:
    """Starts a process of its own, writes down both, and never comes back."""
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(1000)"])
    note = Path(spec.study) / "processes"
    note.with_suffix(".tmp").write_text(f"{os.getpid()} {child.pid}")
    note.with_suffix(".tmp").rename(note)
    # No signal but SIGKILL reaches it, as in a system call that never returns.
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    while True:
        time.sleep(1)


def end_with_a_child(spec: TrialSpec) -> Outcome:
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(1000)"])
    return Outcome("completed", error=str(child.pid))


def die(spec: TrialSpec) -> Outcome:
    os.kill(os.getpid(), signal.SIGSEGV)
    return Outcome("completed")


def is_running(process: int) -> bool:
    shown = subprocess.run(["ps", "-p", str(process), "-o", "stat="], capture_output=True, text=True, check=False)
    return shown.stdout.strip() != "" and not shown.stdout.startswith("Z")


@pytest.fixture
def start(spec: TrialSpec) -> Iterator[Callable[..., OwnProcess[Outcome]]]:
    context = multiprocessing.get_context("forkserver")
    started = []

    def start(run: Callable[[TrialSpec], Outcome]) -> OwnProcess[Outcome]:
        started.append(OwnProcess(context, run, spec, name="trial"))
        return started[-1]

    yield start
    for process in started:
        process.future.cancel()
        process.wait()


def test_cancelling_ends_the_whole_process_group(start: Callable[..., OwnProcess[Outcome]], spec: TrialSpec) -> None:
    process = start(hang_with_a_child)
    note = Path(spec.study) / "processes"
    wait_until(note.exists)
    trial, child = (int(number) for number in note.read_text().split())
    assert is_running(trial)
    assert is_running(child)
    assert process.future.cancel()
    process.wait()
    wait_until(lambda: not is_running(trial) and not is_running(child))


def test_what_a_trial_has_started_ends_with_it(start: Callable[..., OwnProcess[Outcome]]) -> None:
    process = start(end_with_a_child)
    child = int(process.future.result(60).error or 0)
    process.wait()
    wait_until(lambda: not is_running(child))


def test_a_process_that_dies_is_lost_with_the_reason(start: Callable[..., OwnProcess[Outcome]]) -> None:
    with pytest.raises(ProcessLost, match="killed by SIGSEGV"):
        start(die).future.result(60)


def test_a_number_is_not_signalled_once_it_may_be_that_of_another_process(
    start: Callable[..., OwnProcess[Outcome]], monkeypatch: pytest.MonkeyPatch
) -> None:
    there: list[bool] = []
    kill = os.killpg

    def watched(number: int, sent: int) -> None:
        there.append(is_running(number))
        kill(number, sent)

    monkeypatch.setattr(os, "killpg", watched)
    process = start(end_with_a_child)
    process.future.result(60)
    process.wait()
    assert there == [True]
    process.future.cancel()
    process._end_group(os.killpg)
    assert there == [True]


def test_a_process_that_loses_its_fork_server_has_not_failed_by_itself(
    start: Callable[..., OwnProcess[Outcome]], spec: TrialSpec
) -> None:
    process = start(hang_with_a_child)
    note = Path(spec.study) / "processes"
    wait_until(note.exists)
    os.kill(forkserver._forkserver._forkserver_pid, signal.SIGKILL)  # type: ignore[attr-defined]
    with pytest.raises(ServerLost):
        process.future.result(60)
    wait_until(lambda: not any(is_running(int(number)) for number in note.read_text().split()))
    # The next start makes another server.
    assert start(end_with_a_child).future.result(60).status == "completed"


def test_a_folder_for_temporary_files_with_a_long_path(tmp_path: Path) -> None:
    """The fork server's socket is below it, and a socket's path is at most a hundred characters long."""
    folder = tmp_path / ("a" * 120)
    folder.mkdir()
    program = "import os, tempfile; from search.executors import local, process; local.PRELOAD.clear(); "
    program += "found = process.OwnProcess(local.fork_context(), os.getpid, name='a').future.result(60); "
    program += "print(found, tempfile.gettempdir())"
    command, root = [sys.executable, "-c", program], Path(__file__).parents[2]
    done = subprocess.run(
        command, cwd=root, env={**os.environ, "TMPDIR": str(folder)}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split()[1] == str(folder), "everything else is where the user wants it"


def test_continued_and_promoted_weights_are_the_uninterrupted_ones(spec: TrialSpec, tmp_path: Path) -> None:
    """Weights, optimizer and batch statistics, equal to the last bit."""
    study = Study(Path(spec.study))

    def run(executor: LocalExecutor, trial_id: str, first: int, last: int, parent: str | None = None) -> None:
        study.trial(trial_id).mkdir(exist_ok=True)
        trial = replace(spec, trial_id=trial_id, first_epoch=first, last_epoch=last, parent_id=parent)
        outcome = executor.submit(trial).result(500)
        assert outcome.status == "completed", (study.trial(trial_id) / "log.txt").read_text()
        assert [row["epoch"] for row in outcome.rows] == list(range(first + 1, last + 1))

    def weights(trial_id: str) -> Path:
        path = weights_file(study.trial(trial_id) / "last")
        assert path is not None
        return path

    executor = LocalExecutor(1)
    try:
        run(executor, "0000-0", 0, 3)
        run(executor, "0001-0", 0, 1)
        run(executor, "0001-1", 1, 3, "0001-0")
        assert_same_weights(weights("0001-1"), weights("0000-0"))

        # A promotion whose parent's checkpoint is damaged trains the parent's epochs again.
        damaged = weights("0001-0")
        damaged.write_bytes(damaged.read_bytes()[:1000])
        (study.trial("0001-0") / "best").rename(tmp_path / "lost")
        run(executor, "0002-1", 1, 3, "0001-0")
        assert_same_weights(weights("0002-1"), weights("0000-0"))
        assert "epoch 1 is trained again" in (study.trial("0002-1") / "log.txt").read_text()
    finally:
        executor.shutdown()


def test_threads_of_a_trial_do_not_depend_on_the_number_of_workers() -> None:
    for workers in (1, 2, 16):
        devices = share_devices(workers, [], cores=8)
        assert [device.threads for device in devices] == [8] * workers
        assert len({device.worker for device in devices}) == workers
        assert [device.threads for device in share_devices(workers, [], 8, threads=3)] == [3] * workers
    assert [device.threads for device in share_devices(4, ["0", "1"], cores=8)] == [2] * 4
