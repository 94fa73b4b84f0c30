"""What every executor promises. The test of one that runs trials on this machine says its name and nothing more."""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from datasets import open_dataset
from search.executors import Executor, make_executor
from search.study.choices import EXECUTORS
from search.study.columns import epoch_columns
from search.study.config import StudyConfig
from search.study.folder import Study
from search.study.objective import objective_of
from search.study.reading import parse_config
from search.trial.contract import Device, TrialSpec
from tests.integration.program import PATIENCE, wait_until

DATA: dict[str, Any] = {"image_size": (64, 64), "train_images": 4, "val_images": 2, "test_images": 1}
# Ends at stride 8, so that a trial starts fast.
ARCHITECTURE: dict[str, Any] = {
    "encoder": "MobileNetV2",
    "output_stride": 8,
    "aspp_tap": "block_3_project_BN",
    "aspp_filters": 8,
    "aspp_rates": (),
    "low_level_filters": 0,
    "decoder_depth": 0,
}
# More than any test waits for.
ENDLESS = 1_000_000
# A driver that submits a trial, and is gone before it ends.
DRIVER = """
import pickle, sys, time
from pathlib import Path
from search.executors import make_executor
if __name__ == "__main__":
    {preparation}
    config, spec = pickle.loads(Path(sys.argv[1]).read_bytes())
    from search.study.reading import parse_config
    executor = make_executor(parse_config(config, "driver"))
    executor.submit(spec)
    time.sleep(1000)
"""


def make_config(executor: str) -> dict[str, Any]:
    return {
        "study": {"name": "a"},
        "data": {"format": "synthetic", "image_size": [64, 64]},
        "hyperband": {"max_epochs": 1},
        "workers": {"executor": executor, "count": 1},
    }


def make_spec(study: Path, trial_id: str, device: Device, *, last_epoch: int) -> TrialSpec:
    """A trial on four drawn scenes, with its folder."""
    names = open_dataset("synthetic", **DATA).class_names
    Study(study).trial(trial_id).mkdir(parents=True)
    return TrialSpec(
        study=str(study),
        trial_id=trial_id,
        config_id="a",
        run=trial_id,
        parent_id=None,
        first_epoch=0,
        last_epoch=last_epoch,
        max_epochs=last_epoch,
        architecture=ARCHITECTURE,
        recipe={"batch_size": 2},
        encoder_weights=None,
        data_format="synthetic",
        data=DATA,
        images={"train": 4, "val": 2},
        cache=str(study / "cache"),
        data_seed=0,
        seed=5,
        objective=objective_of("val_mean_iou"),
        columns=epoch_columns(names),
        class_names=names,
        device=device,
    )


def processes_of(spec: TrialSpec) -> list[int]:
    """The processes of this machine that run a trial: its output goes to its log."""
    log, found = Study(Path(spec.study)).trial(spec.trial_id) / "log.txt", []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if (process / "fd" / "1").readlink() == log:
                found.append(int(process.name))
    return found


class ExecutorContract:
    """Subclass it, as `TestX`. Needs Linux's /proc, to see a trial's processes."""

    name: str
    """In `EXECUTORS`."""
    preparation = "pass"
    """What a process that knows nothing of the test must execute before it can make the executor."""

    @pytest.fixture
    def config(self) -> StudyConfig:
        return parse_config(make_config(self.name), "test")

    @pytest.fixture
    def executor(self, config: StudyConfig) -> Iterator[Executor]:
        executor = make_executor(config)
        yield executor
        executor.shutdown()

    @pytest.fixture
    def endless(self, executor: Executor, tmp_path: Path) -> TrialSpec:
        return make_spec(tmp_path / "study", "0000-0", executor.devices[0], last_epoch=ENDLESS)

    def test_it_has_a_line_in_the_table(self) -> None:
        assert self.name in EXECUTORS

    def test_each_worker_has_a_name_of_its_own(self, executor: Executor) -> None:
        workers = [device.worker for device in executor.devices]
        assert workers
        assert len(set(workers)) == len(workers)
        assert all(device.threads >= 1 for device in executor.devices)

    def test_a_trial_gives_its_outcome_and_leaves_nothing_to_the_next(self, executor: Executor, tmp_path: Path) -> None:
        device = executor.devices[0]
        specs = [make_spec(tmp_path / "study", f"{number:04d}-0", device, last_epoch=1) for number in range(2)]
        outcomes = [executor.submit(spec).result(PATIENCE) for spec in specs]
        for spec, outcome in zip(specs, outcomes, strict=True):
            assert outcome.status == "completed", (tmp_path / "study" / f"trial_{spec.trial_id}/log.txt").read_text()
            assert [row["epoch"] for row in outcome.rows] == [1]
        first, second = (outcome.rows[0] for outcome in outcomes)
        assert {key: first[key] for key in ("loss", "val_loss")} == {key: second[key] for key in ("loss", "val_loss")}

    def test_what_goes_wrong_in_a_trial_is_its_outcome(self, executor: Executor, endless: TrialSpec) -> None:
        outcome = executor.submit(replace(endless, data_format="no such format")).result(PATIENCE)
        assert outcome.status in ("failed", "interrupted")
        assert "no such format" in str(outcome.error)

    def test_devices_that_work_pass_the_check(self, executor: Executor) -> None:
        assert not executor.check_devices(executor.devices)

    def test_a_device_that_cannot_be_used_is_not_the_trials_failure(
        self, executor: Executor, endless: TrialSpec
    ) -> None:
        """No machine has as many GPUs."""
        outcome = executor.submit(replace(endless, device=replace(endless.device, gpu="77"))).result(PATIENCE)
        assert outcome.status == "unusable"
        assert "GPU 77" in str(outcome.error)

    def test_cancelling_ends_the_process(self, executor: Executor, endless: TrialSpec) -> None:
        future = executor.submit(endless)
        wait_until(lambda: processes_of(endless))
        assert future.cancel()
        wait_until(lambda: not processes_of(endless))
        assert future.cancelled()

    def test_a_killed_process_is_an_exception(self, executor: Executor, endless: TrialSpec) -> None:
        future = executor.submit(endless)
        wait_until(lambda: processes_of(endless))
        for process in processes_of(endless):
            os.kill(process, signal.SIGKILL)
        assert future.exception(PATIENCE) is not None

    def test_a_shutdown_ends_what_runs(self, executor: Executor, endless: TrialSpec) -> None:
        future = executor.submit(endless)
        wait_until(lambda: processes_of(endless))
        executor.shutdown()
        assert not processes_of(endless)
        assert future.done()

    def test_a_trial_ends_with_its_driver(self, endless: TrialSpec, tmp_path: Path) -> None:
        """Else the next driver's trial would write beside it."""
        arguments = tmp_path / "arguments"
        arguments.write_bytes(pickle.dumps((make_config(self.name), endless)))
        (tmp_path / "driver.py").write_text(DRIVER.format(preparation=self.preparation))
        driver = subprocess.Popen([sys.executable, str(tmp_path / "driver.py"), str(arguments)])
        try:
            wait_until(lambda: processes_of(endless) or driver.poll() is not None)
            assert driver.poll() is None
        finally:
            driver.kill()
            driver.wait()
        wait_until(lambda: not processes_of(endless))
