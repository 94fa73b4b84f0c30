"""What is wrong with the machine costs no trial: a GPU that does not work, a process that cannot be started."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from multiprocessing import forkserver
from pathlib import Path
from typing import Any

import keras
import pytest
from rich.console import Console

from benchmarks._history import History
from search.commands.status import show_status, status_values
from search.driver.loop import Driver
from search.errors import SearchStopped
from search.executors.local import LocalExecutor
from search.oracle.latency import LatencyMeter
from search.oracle.limits import Limits
from search.results.snapshot import snapshot_from_disk
from search.study.folder import Study
from search.study.lock import lock_study
from search.study.prepare import open_data, read_space
from search.study.reading import parse_config
from search.terminal.live import SearchConsole
from search.trial.contract import Device, Outcome, TrialSpec
from tests.faults.trials import assert_same_results, trials_of
from tests.integration.program import PROGRAM, Table, deeplab_search, environment, listing, running, write_study

pytestmark = pytest.mark.timeout(600)

# No machine has as many GPUs.
NO_GPU = "77"
ONE_TRIAL: Table = {"hyperband": {"max_epochs": 1, "baseline": False}}
TWO_TRIALS: Table = {"hyperband": {"max_epochs": 1, "baseline": False, "iterations": 2}}


@pytest.fixture
def nvidia_smi(tmp_path: Path) -> Callable[[str], str]:
    """Puts a program of that name, with the given script, before all others; returns the `PATH`."""

    def install(script: str) -> str:
        program = tmp_path / "bin" / "nvidia-smi"
        program.parent.mkdir()
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
        return f"{program.parent}:{os.environ['PATH']}"

    return install


@pytest.mark.long
def test_a_job_that_got_no_gpu_runs_on_the_cores_and_says_so(tmp_path: Path, tiny: Table) -> None:
    file = write_study(tmp_path / "s.toml", tiny, **ONE_TRIAL)
    done = deeplab_search("run", file, cwd=tmp_path, CUDA_VISIBLE_DEVICES="NoDevFiles")
    assert done.status == 0, done.all
    assert "CUDA_VISIBLE_DEVICES is NoDevFiles, which names no GPU: trials run on the CPU cores" in done.out
    trials = trials_of(tmp_path / "results" / "tiny")
    assert list(trials["status"]) == ["completed"]
    assert set(trials["worker"]) == {"cpu0"}


def test_a_gpu_that_cannot_be_used_stops_the_search_and_costs_no_trial(
    tmp_path: Path, tiny: Table, nvidia_smi: Callable[[str], str]
) -> None:
    command = ("run", write_study(tmp_path / "s.toml", tiny, **ONE_TRIAL))
    stopped = deeplab_search(*command, cwd=tmp_path, CUDA_VISIBLE_DEVICES=NO_GPU, PATH=nvidia_smi(f"echo {NO_GPU}"))
    study = tmp_path / "results" / "tiny"
    assert stopped.status == 1, stopped.all
    assert f"worker gpu{NO_GPU}.0 is retired: TensorFlow does not find GPU {NO_GPU}" in stopped.out
    assert "the search stopped: no worker is left that can work" in stopped.err
    assert "CUDA_VISIBLE_DEVICES=-1" in stopped.err
    assert f"continue with:\n  deeplab-search run {command[1]}" in stopped.err
    assert "starts" not in stopped.out
    assert not (study / ".finished").exists()

    again = deeplab_search(*command, cwd=tmp_path)
    assert again.status == 0, again.all
    trials = trials_of(study)
    assert list(trials["status"]) == ["completed"]
    assert list(trials["attempts"]) == [1]


class MixedExecutor(LocalExecutor):
    """This machine's cores, and a GPU that does not exist; `submitted` are the workers that got trials."""

    def __init__(self, study: Study) -> None:
        super().__init__(1)
        self._study = study
        self._devices = [Device(f"gpu{NO_GPU}.0", NO_GPU, 1), *self._devices]
        self.submitted: list[str] = []
        self.shown: dict[str, Any] = {}

    def submit(self, spec: TrialSpec) -> Future[Outcome]:
        self.submitted.append(spec.device.worker)
        self.shown = status_values(self._study, snapshot_from_disk(self._study))
        return super().submit(spec)


class LateExecutor(MixedExecutor):
    """Finds nothing wrong beforehand, as where a GPU goes while the search runs."""

    def check_devices(self, devices: Sequence[Device]) -> dict[str, str]:
        return {}


class RobbedExecutor(LocalExecutor):
    """Loses its fork server as soon as the first trial has started."""

    def submit(self, spec: TrialSpec) -> Future[Outcome]:
        future = super().submit(spec)
        if not (spec.folder / "robbed").exists():
            (spec.folder / "robbed").touch()
            os.kill(forkserver._forkserver._forkserver_pid, signal.SIGKILL)  # type: ignore[attr-defined]
        return future


class Search:
    """A search driven in this process, so that it can be given any executor."""

    def __init__(self, folder: Path, table: Table) -> None:
        directory = {"study": {**table["study"], "directory": str(folder / "results")}}
        limits = {"limits": {"retries": 0}}
        self.config = parse_config({**table, **TWO_TRIALS, **limits, **directory}, "test")
        self.study = Study(self.config.folder)

    def run(self, executor: LocalExecutor, output: Path) -> None:
        dataset, study = open_data(self.config), self.study
        study.make_folder()
        space = read_space(self.config, "test")
        meter = LatencyMeter(self.config.data.image_size, dataset.classes)
        limits = Limits(self.config, space, dataset.classes, meter)
        with lock_study(study), output.open("w") as file:
            if not study.exists:
                study.create(self.config, dataset)
            console = SearchConsole(Console(file=file, width=500, force_terminal=False))
            Driver(study, self.config, space, dataset, limits, executor, console).run()


@pytest.fixture
def search(tmp_path: Path, tiny: Table) -> Search:
    return Search(tmp_path, tiny)


# `test_the_last_worker_that_goes_...` retires a worker too, and always runs.
@pytest.fixture(params=[pytest.param(executor, marks=pytest.mark.long) for executor in (MixedExecutor, LateExecutor)])
def mixed(request: pytest.FixtureRequest, search: Search) -> Iterator[MixedExecutor]:
    executor = request.param(search.study)
    yield executor
    executor.shutdown()


def test_of_several_workers_one_that_cannot_work_is_retired_and_costs_no_trial(
    search: Search, mixed: MixedExecutor, tmp_path: Path
) -> None:
    search.run(mixed, tmp_path / "output")
    bad = f"gpu{NO_GPU}.0"
    assert mixed.submitted.count(bad) == isinstance(mixed, LateExecutor), "once, where nothing was known before"
    reason = f"TensorFlow does not find GPU {NO_GPU}"
    assert f"worker {bad} is retired: {reason}" in (tmp_path / "output").read_text()
    assert mixed.shown["retired_workers"] == {bad: reason}
    trials = trials_of(search.study.folder)
    assert list(trials["status"]) == ["completed"] * 2
    assert list(trials["attempts"]) == [1, 1]
    assert set(trials["worker"]) == {"cpu0"}


def test_status_shows_a_retired_worker(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    study = History(tmp_path / "part", max_epochs=9).write(12, running=2, pictures=False)
    study.driver_file.write_text('{"workers": 2, "retired": {"gpu1.1": "TensorFlow does not find GPU 1"}}')
    show_status(study.folder)
    assert "worker gpu1.1 is retired: TensorFlow does not find GPU 1" in capsys.readouterr().out


def test_the_last_worker_that_goes_stops_the_search_and_leaves_its_trial_to_be_run(
    search: Search, tmp_path: Path
) -> None:
    executor = LateExecutor(search.study)
    executor._devices = executor._devices[:1]
    try:
        with pytest.raises(SearchStopped, match="no worker is left that can work"):
            search.run(executor, tmp_path / "output")
    finally:
        executor.shutdown()
    trials = trials_of(search.study.folder)
    assert list(trials["status"]) == ["queued"]
    assert list(trials["attempts"]) == [0]


# `test_processes.py` tells the end of the fork server from that of a trial, and always runs.
@pytest.mark.long
def test_a_trial_that_loses_its_fork_server_continues_without_a_loss(search: Search, tmp_path: Path) -> None:
    executor = RobbedExecutor(1)
    try:
        search.run(executor, tmp_path / "output")
    finally:
        executor.shutdown()
    trials = trials_of(search.study.folder)
    assert list(trials["status"]) == ["completed"] * 2
    assert list(trials["attempts"]) == [2, 2]


@pytest.mark.long
def test_where_no_process_can_be_started_no_trial_has_failed(tmp_path: Path, tiny: Table) -> None:
    file = write_study(tmp_path / "s.toml", tiny, **ONE_TRIAL)
    # The server that trials are forked from is a program that ends at once.
    program = (
        "import multiprocessing; multiprocessing.set_executable('/bin/false'); from search.cli import main; main()"
    )
    command = [sys.executable, "-c", program, "run", str(file)]
    done = subprocess.run(command, cwd=tmp_path, env=environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "worker cpu0 is retired: no process can be started" in done.stdout
    assert "no worker is left that can work" in done.stderr
    assert "Traceback" not in done.stderr
    assert list(trials_of(tmp_path / "results" / "tiny")["status"]) == ["queued"]

    again = deeplab_search("run", file, cwd=tmp_path)
    assert again.status == 0, again.all
    assert list(trials_of(tmp_path / "results" / "tiny")["status"]) == ["completed"]


# `test_stock_faults.py` has failures in a row too, at the start of a search, and always runs.
@pytest.mark.long
def test_failures_alike_in_a_row_stop_a_continued_search_and_are_tried_again(tmp_path: Path, tiny: Table) -> None:
    """Encoder weights that go when some trials have completed."""
    weights, gone = tmp_path / "encoder.weights.h5", tmp_path / "gone"
    keras.applications.MobileNetV2(include_top=False, weights=None, input_shape=(64, 64, 3)).save_weights(weights)
    changes: Table = {
        "hyperband": {"max_epochs": 1, "iterations": 5, "baseline": False},
        "space": {"encoder_weights": str(weights)},
        "limits": {"abort_after_failures": 2},
    }
    command = ("run", write_study(tmp_path / "tiny.toml", tiny, **changes), "--workers", "1")
    study = tmp_path / "results" / "tiny"
    with running(*command, cwd=tmp_path) as search:
        search.until(lambda: "trial 0000-0 completed" in search.output)
        os.kill(search.process.pid, signal.SIGINT)
        assert search.wait() == 130, search.output
    with running(*command, cwd=tmp_path) as search:
        search.until(lambda: "starts" in search.output or "continues" in search.output)
        weights.rename(gone)
        assert search.wait() == 1, search.output
    assert "the last 2 trials failed, all with the same reason: EncoderWeightsError" in search.output
    assert list(trials_of(study)["status"]).count("failed") == 2

    gone.rename(weights)
    again = deeplab_search(*command, cwd=tmp_path)
    assert again.status == 0, again.all
    assert "the last 2 trials had failed alike; 2 are tried again" in again.out
    assert list(trials_of(study)["status"]) == ["completed"] * 5

    undisturbed = deeplab_search(*command, "--directory", "undisturbed", cwd=tmp_path)
    assert undisturbed.status == 0, undisturbed.all
    assert_same_results(study, tmp_path / "undisturbed" / "tiny")


def doctor(*arguments: str | Path, cwd: Path, **changes: str) -> str:
    """What `doctor` prints of a machine on which no GPU is chosen, or of a study; it must not fail."""
    command = ["env", "-u", "CUDA_VISIBLE_DEVICES", PROGRAM, "doctor", *arguments]
    done = subprocess.run(command, cwd=cwd, env=environment(**changes), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_doctor_where_the_driver_hangs(tmp_path: Path, nvidia_smi: Callable[[str], str]) -> None:
    said = doctor(cwd=tmp_path, PATH=nvidia_smi("sleep 1000"))
    assert "nvidia-smi did not answer within 10 s: trials run on the CPU cores" in said


def test_doctor_where_the_driver_is_missing(tmp_path: Path) -> None:
    shown = deeplab_search("doctor", cwd=tmp_path, CUDA_VISIBLE_DEVICES=NO_GPU, PATH=str(tmp_path))
    assert shown.status == 0, shown.all
    assert "a GPU, of which nvidia-smi cannot be run" in shown.out


# In a mount namespace of its own, so that root cannot write there either.
READ_ONLY = 'mount --bind "$1" "$1" && mount -o remount,bind,ro "$1" && shift && exec "$@"'


def test_doctor_on_a_study_that_is_read_only(tmp_path: Path) -> None:
    study = History(tmp_path / "part", max_epochs=9).write(12, running=2, pictures=False)
    study.trials_csv.write_bytes(study.trials_csv.read_bytes()[:-10])
    unshare = ["unshare", "--map-root-user", "--mount"]
    if subprocess.run([*unshare, "true"], capture_output=True, check=False).returncode:
        pytest.skip("no mount namespaces here")
    before = listing(study.folder)
    folder, program = str(study.folder), str(PROGRAM)
    command = [*unshare, "sh", "-c", READ_ONLY, "sh", folder, program, "doctor", folder]
    done = subprocess.run(command, cwd=tmp_path, env=environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "is read-only: its files are looked at, and nothing can be mended" in done.stdout
    assert "trials.csv is damaged or missing" in done.stdout
    assert listing(study.folder) == before
