"""The sixteen faults of stock KerasTuner that docs/faults.md lists, each provoked, and what happens here instead."""

from __future__ import annotations

import os
import re
import signal
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np
import pandas as pd
import pytest
from tensorboard.backend.event_processing.plugin_event_multiplexer import EventMultiplexer
from tensorboard.plugins.hparams import plugin_data_pb2

from tests.faults.trials import (
    OF_THE_EPOCH,
    OF_THE_RUN,
    arrays_of,
    assert_same_results,
    epochs_of,
    kept_for_export,
    kill_trial,
    trial_processes,
    trials_of,
)
from tests.integration.program import (
    Result,
    Table,
    deeplab_search,
    deeplab_search_here,
    listing,
    running,
    wait_until,
    write_study,
)

pytestmark = pytest.mark.timeout(1200)

# Killed once, it goes on; killed twice, it has failed.
UNLUCKY, DEADLY = "0000-0", "0001-0"


@dataclass
class Killed:
    """A search of two workers some of whose trials were killed."""

    study: Path
    status: int
    output: str
    processes: dict[int, str]
    checkpoints: list[Checkpoints]


class Checkpoints(NamedTuple):
    """How many checkpoints of each kind there were at one moment, and how many trials ran."""

    last: int
    best: int
    running: int


def count_checkpoints(study: Path, output: str) -> Checkpoints:
    """Counted now; a trial runs until the driver, which has tidied up after it, says how it ended in its `output`."""
    started = set(re.findall(r"trial (\S+) starts", output))
    ended = set(re.findall(r"trial (\S+) (?:completed|lost|failed)(?!.*it will be tried again)", output))
    last, best = (len(list(study.glob(f"trial_*/{name}/state.json"))) for name in ("last", "best"))
    return Checkpoints(last, best, len(started - ended))


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory, tiny: Table) -> Killed:
    """The small search with one trial killed once and another one whenever it runs; nothing else is disturbed."""
    folder = tmp_path_factory.mktemp("killed")
    seen: dict[int, str] = {}
    checkpoints: list[Checkpoints] = []
    file = write_study(folder / "tiny.toml", tiny, hyperband={"baseline": False})
    with running("run", file, "--workers", "2", cwd=folder) as search:

        def disturb() -> bool:
            now = trial_processes(search)
            seen.update(now)
            checkpoints.append(count_checkpoints(folder / "results" / "tiny", search.output))
            unlucky = [process for process, name in seen.items() if name == UNLUCKY]
            for process, name in now.items():
                if name == DEADLY or [process] == unlucky:
                    kill_trial(search, name)
            return search.process.poll() is not None

        wait_until(disturb, lambda: search.output, every=0.1)
        status = search.wait()
    return Killed(folder / "results" / "tiny", status, search.output, seen, checkpoints)


def test_01_a_failed_trial_leaves_the_rungs_whole(killed: Killed, study: Path) -> None:
    assert killed.status == 0, killed.output
    found, undisturbed = trials_of(killed.study), trials_of(study)
    sizes, planned = (
        Counter(rows.drop("baseline", errors="ignore")[["bracket", "rung"]].itertuples(index=False, name=None))
        for rows in (found, undisturbed)
    )
    assert sizes == planned
    rung = found[(found["bracket"] == 1) & (found["rung"] == 0)]
    assert rung.loc[DEADLY, "status"] == "lost"
    (promoted,) = found[found["rung"] == 1].to_dict("records")
    assert promoted["parent_id"] == undisturbed.loc[rung.index.drop(DEADLY), "score"].idxmax()


def test_02_a_worker_that_dies_costs_an_epoch_and_nothing_else(killed: Killed, study: Path) -> None:
    assert f"trial {UNLUCKY} lost: its process ended: killed by SIGKILL" in killed.output
    found, undisturbed = trials_of(killed.study), trials_of(study)
    assert (found.loc[UNLUCKY, "attempts"], found.loc[UNLUCKY, "status"]) == (2, "completed")
    same = found.index[(found["status"] == "completed") & found.index.isin(undisturbed.index)]
    assert len(same) >= 4
    for rows, disturbed in ((trials_of, [*OF_THE_RUN, "error"]), (epochs_of, OF_THE_EPOCH)):
        one, other = (rows(folder).drop(columns=disturbed, errors="ignore") for folder in (killed.study, study))
        # An empty cell beside them makes whole numbers decimals.
        pd.testing.assert_frame_equal(one.loc[list(same)], other.loc[list(same)], check_exact=True, check_dtype=False)


# `test_interruption.py` kills a driver and starts the next one too, and always runs.
@pytest.mark.long
def test_03_a_restarted_driver_runs_nothing_twice(tmp_path: Path, tiny: Table) -> None:
    write_study(tmp_path / "tiny.toml", tiny, hyperband={"max_epochs": 2, "min_epochs": 2, "baseline": False})
    study = tmp_path / "results" / "tiny"
    with running("run", "tiny.toml", "--workers", "2", cwd=tmp_path) as first:
        first.until(lambda: len(trial_processes(first)) == 2)
        os.kill(first.process.pid, signal.SIGKILL)
        # At once, while the trials of the first driver may still be there.
        with running("run", "tiny.toml", "--workers", "2", cwd=tmp_path) as second:
            second.until(lambda: trial_processes(second))
            assert not trial_processes(first), "two processes write to one trial"
            assert second.wait() == 0, second.output
    trials = trials_of(study)
    assert list(trials["status"]) == ["completed", "completed"]
    assert len(epochs_of(study)) == 4
    assert not epochs_of(study).index.has_duplicates


def files_of(study: Path, patterns: tuple[str, ...]) -> list[Path]:
    return [path for pattern in patterns for path in study.glob(pattern) if path.is_file()]


def test_04_reopening_a_finished_search_changes_nothing(study_copy: Path, study: Path) -> None:
    kept = ("*.csv", "trial_*/**/*", "best.toml", "study.toml", "tensorboard/**/*")
    before = {path: path.read_bytes() for path in files_of(study_copy, kept)}
    again = deeplab_search_here("run", "tiny.toml", "--workers", "3", cwd=study_copy.parents[1])
    assert again.status == 0, again.all
    assert "starts" not in again.out
    assert "against the baseline's" in again.out
    assert {path: path.read_bytes() for path in files_of(study_copy, kept)} == before
    assert_same_results(study_copy, study)


@dataclass
class Hopeless:
    """A search whose every trial failed, and the same command after the cause was mended."""

    study: Path
    stopped: str
    status: int
    failed: pd.DataFrame
    log: str
    lock_holder: list[Path]
    again: Result


@pytest.fixture(scope="module")
def hopeless(tmp_path_factory: pytest.TempPathFactory, tiny: Table) -> Hopeless:
    """Encoder weights that are gone once the search has started."""
    folder = tmp_path_factory.mktemp("hopeless")
    weights, gone = folder / "encoder.weights.h5", folder / "gone"
    keras.applications.MobileNetV2(include_top=False, weights=None, input_shape=(64, 64, 3)).save_weights(weights)
    changes: Table = {
        "hyperband": {"max_epochs": 1, "iterations": 2, "baseline": False},
        "space": {"encoder_weights": str(weights)},
        "limits": {"abort_after_failures": 2},
    }
    command = ("run", write_study(folder / "tiny.toml", tiny, **changes), "--workers", "2")
    study = folder / "results" / "tiny"
    with running(*command, cwd=folder) as search:
        search.until((study / "study.toml").exists)
        weights.rename(gone)
        status = search.wait()
    failed = trials_of(study)
    log = (study / "trial_0000-0" / "log.txt").read_text()
    holder = list(study.glob("driver.json"))
    gone.rename(weights)
    return Hopeless(study, search.output, status, failed, log, holder, deeplab_search(*command, cwd=folder))


def test_05_failures_in_a_row_stop_the_search_and_leave_no_lock(hopeless: Hopeless) -> None:
    assert hopeless.status == 1, hopeless.stopped
    assert "the first 2 trials failed, all with the same reason: EncoderWeightsError" in hopeless.stopped
    assert "continue with:" in hopeless.stopped
    assert hopeless.lock_holder == []
    assert hopeless.again.status == 0, hopeless.again.all
    assert "all 2 trials had failed; they are tried again" in hopeless.again.out
    trials = trials_of(hopeless.study)
    assert list(trials["status"]) == ["completed"] * 2
    assert trials["error"].isna().all()


# `test_commands.py` rejects networks over a limit too, and always runs.
@pytest.mark.long
def test_06_models_over_the_limit_stop_nothing(tmp_path: Path, tiny: Table) -> None:
    limits = {"max_parameters": 70_000}
    hyperband = {"max_epochs": 1, "baseline": False, "iterations": 3}
    space = {"aspp_filters": [8, 1024, 2048, 3072, 4096]}
    file = write_study(tmp_path / "s.toml", tiny, limits=limits, hyperband=hyperband, space=space)
    done = deeplab_search("run", file, "--workers", "3", cwd=tmp_path)
    assert done.status == 0, done.all
    trials = trials_of(tmp_path / "results" / "tiny")
    assert list(trials["status"]) == ["completed"] * 3
    assert (trials["parameters"] <= 70_000).all()


def test_07_a_promotion_goes_on_with_optimizer_and_schedule(study: Path, tiny: Table) -> None:
    trials, epochs = trials_of(study), epochs_of(study)
    (promoted,) = trials.index[trials["rung"] == 1]
    rows = epochs[epochs["config_id"] == trials.loc[promoted, "config_id"]].reset_index().sort_values("epoch")
    start = trials.loc[promoted, "hp:learning_rate"]
    assert list(rows["learning_rate"]) == pytest.approx([start * (1 - step / 9) ** 0.9 for step in (0, 3, 6)])
    kept = list(study.glob(f"trial_{promoted}/best/*.weights.h5"))
    for path in kept:
        (steps,) = (int(array) for name, array in arrays_of(path).items() if name == "optimizer/vars/0")
        assert steps == 3 * trials.loc[promoted, "best_epoch"], "steps are counted over all rungs"


def test_08_a_configuration_that_kills_its_process_twice_is_never_run_again(killed: Killed, tiny: Table) -> None:
    trial = trials_of(killed.study).loc[DEADLY]
    assert (trial["status"], trial["attempts"]) == ("lost", 2)
    assert trial["error"].startswith("its process ended: killed by SIGKILL")
    assert sum(name == DEADLY for name in killed.processes.values()) == 2
    folder = killed.study.parents[1]
    again = deeplab_search_here("run", "tiny.toml", cwd=folder)
    assert again.status == 0, again.all
    assert "starts" not in again.out
    assert trials_of(killed.study).loc[DEADLY, "attempts"] == 2


@pytest.fixture(scope="module")
def diverging(tmp_path_factory: pytest.TempPathFactory, tiny: Table) -> tuple[Path, str]:
    """A trial that is killed after a good epoch, and whose retry gives NaN."""
    folder = tmp_path_factory.mktemp("diverging")
    # Each step of plain descent at rate 10 multiplies the weights by 1 - 10 x 0.999: too large in the second epoch.
    changes: Table = {
        "study": {"seed": 7},  # draws one of each rate
        "hyperband": {"max_epochs": 3, "min_epochs": 3, "baseline": False},
        "space": {"learning_rate": [0.001, 10.0], "aspp_rate": 1},
        "recipe": {"optimizer": "sgd", "weight_decay": 0.999, "schedule": "constant", "batch_size": 2},
    }
    study = folder / "results" / "tiny"
    with running("run", write_study(folder / "tiny.toml", tiny, **changes), "--workers", "2", cwd=folder) as search:

        def disturb() -> bool:
            for process, name in trial_processes(search).items():
                own = study / f"trial_{name}" / "epochs.csv"
                if name not in done and own.exists() and own.read_text().count("\n") > 1:
                    os.kill(process, signal.SIGKILL)
                    done.add(name)
            return search.process.poll() is not None

        done: set[str] = set()
        wait_until(disturb, lambda: search.output, every=0.1)
        assert search.wait() == 0, search.output
    return study, search.output


def test_09_a_retry_that_gives_nan_keeps_the_good_epoch(diverging: tuple[Path, str]) -> None:
    study, output = diverging
    trials = trials_of(study)
    (bad,) = trials.index[trials["hp:learning_rate"] == 10]
    (good,) = trials.index.drop(bad)
    assert trials.loc[bad, "status"] == "diverged", output
    assert (trials.loc[bad, "attempts"], trials.loc[bad, "error"]) == (2, "the loss is not finite")
    own = epochs_of(study).loc[bad]
    assert trials.loc[bad, "score"] == own["val_mean_iou"].max()
    assert trials.loc[bad, "best_epoch"] == own["val_mean_iou"].idxmax()
    assert np.isfinite(own["val_loss"]).all()
    # It counts as the worst of all, and its best epoch's network can still be had.
    assert f"best: {good}" in output
    assert list(study.glob(f"trial_{bad}/best/*.weights.h5"))
    assert not (study / f"trial_{bad}" / "last").exists()


def test_10_a_truncated_file_costs_nothing(study_copy: Path, study: Path) -> None:
    """All of KerasTuner's and of our own JSON at once; tests/faults/test_damage.py does each by itself."""
    for path in [study_copy / "oracle.json", *study_copy.glob("trial_*/trial.json"), study_copy / "study.toml"]:
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    again = deeplab_search_here("run", "tiny.toml", cwd=study_copy.parents[1])
    assert again.status == 0, again.all
    assert "starts" not in again.out
    assert_same_results(study_copy, study)
    for name in ("study.toml", "trial_0000-0/trial.json"):
        assert (study_copy / name).read_bytes() == (study / name).read_bytes()
        assert f"{name} was damaged; restored from its copy" in again.out


def test_11_changed_settings_are_refused(study_copy: Path, tiny: Table) -> None:
    folder = study_copy.parents[1]
    before = listing(study_copy)
    changes: Table = {
        "study": {"seed": 0},
        "hyperband": {"factor": 2},
        "space": {"aspp_filters": [8, 32], "decoder_filters": 16},
        "recipe": {"weight_decay": 0.5},
    }
    refused = deeplab_search_here("run", write_study(folder / "changed.toml", tiny, **changes), cwd=folder)
    assert refused.status == 2, refused.all
    for line in (
        "study.seed: the study has 3, the file says 0",
        "hyperband.factor: the study has 3, the file says 2",
        "space.aspp_filters: the study has [8, 16], the file says [8, 32]",
        "space.decoder_filters: the study has 8, the file says 16",
        "recipe.weight_decay: the study has 0.0001, the file says 0.5",
        "--fresh",
    ):
        assert line in refused.err
    assert listing(study_copy) == before


# `test_interruption.py` refuses a second driver too, and always runs.
@pytest.mark.long
def test_12_nobody_deletes_a_project(tmp_path: Path, tiny: Table) -> None:
    write_study(tmp_path / "tiny.toml", tiny)
    study = tmp_path / "results" / "tiny"
    with running("run", "tiny.toml", "--workers", "2", cwd=tmp_path) as search:
        search.until(lambda: trial_processes(search))
        other = deeplab_search("run", "tiny.toml", "--fresh", "--workers", "2", cwd=tmp_path)
        assert other.status == 2, other.all
        assert f"another run drives this study (process {search.process.pid} on " in other.err
        assert (study / "study.toml").exists()
        assert [path.name for path in study.parent.iterdir()] == ["tiny"]


def test_13_memory_ends_with_each_trial(killed: Killed) -> None:
    """A process has one trial, and a trial's memory can't grow from the one before it."""
    attempts = trials_of(killed.study)["attempts"]
    # Processes that live shorter than two looks at the system are not seen.
    assert len(killed.processes) >= len(attempts)
    seen = Counter(killed.processes.values())
    assert all(seen[trial] <= attempts[trial] for trial in seen)
    memory = epochs_of(killed.study)["peak_memory_mb"].loc[["0003-0", "0004-0", "0000-0"]]
    assert memory.max() < 1.3 * memory.min()


@pytest.fixture(scope="module")
def board(study: Path) -> EventMultiplexer:
    return EventMultiplexer().AddRunsFromDirectory(str(study / "tensorboard")).Reload()


def hparams_of(board: EventMultiplexer, run: str) -> dict[str, Any]:
    content = board.SummaryMetadata(run, "_hparams_/session_start_info").plugin_data.content
    values = plugin_data_pb2.HParamsPluginData.FromString(content).session_start_info.hparams
    return {name: getattr(value, str(value.WhichOneof("kind"))) for name, value in values.items()}


def test_14_tensorboard_has_bracket_rung_and_epochs_and_one_run_a_configuration(
    board: EventMultiplexer, study: Path
) -> None:
    trials = trials_of(study)
    (promoted,) = trials.index[trials["rung"] == 1]
    run = promoted.partition("-")[0]
    told = hparams_of(board, run)
    assert (told["bracket"], told["rung"], told["epochs"]) == (1, 1, 3)
    assert [event.step for event in board.Tensors(run, "validation/mean_iou")] == [1, 2, 3]
    (best,) = board.Tensors(run, "best/val_mean_iou")
    assert best.tensor_proto.float_val[0] == pytest.approx(trials.loc[promoted, "score"])
    assert best.step == trials.loc[promoted, "best_epoch"]
    assert set(board.Runs()) - {".", "search"} == {name.partition("-")[0] for name in trials.index}


def test_15_parallel_trials_have_the_right_bracket(study: Path, killed: Killed) -> None:
    """By Hyperband's definition at 3 epochs and factor 3: configurations 0-2 are of bracket 1, 3 and 4 of bracket 0."""
    for folder in (study, killed.study):
        for trial_id, row in trials_of(folder).drop("baseline", errors="ignore").iterrows():
            number, rung = (int(part) for part in str(trial_id).split("-"))
            assert (row["bracket"], row["rung"]) == (1 if number < 3 else 0, rung)
            first, last = (2, 3) if rung else (1, 1 if number < 3 else 3)
            assert (row["first_epoch"], row["last_epoch"]) == (first, last)


def test_16_every_epoch_and_reason_is_kept_and_checkpoints_are_not(
    hopeless: Hopeless, killed: Killed, study: Path
) -> None:
    trials, epochs = trials_of(study), epochs_of(study)
    expected = (trials["last_epoch"] - trials["first_epoch"] + 1).sum()
    assert len(epochs) == expected
    assert not list(study.glob("trial_*/last")), "parents and what can't be promoted"
    assert {path.parent.name for path in study.glob("trial_*/best")} == {
        f"trial_{name}" for name in kept_for_export(trials)
    }
    # While it ran: of the running trials, of the one candidate of the rung of three (and a parent not yet replaced).
    assert max(now.last for now in killed.checkpoints) > 0
    assert all(now.last <= now.running + 2 for now in killed.checkpoints), killed.checkpoints
    # Beyond the three best, a front of so few trials has one or two that are cheaper.
    assert all(now.best <= now.running + 5 for now in killed.checkpoints), killed.checkpoints
    (promoted,) = trials.index[trials["rung"] == 1]
    family = trials[trials["config_id"] == trials.loc[promoted, "config_id"]]
    assert len(family) == 2, "one id over all rungs, by which a list of the best can leave repetitions out"
    failed = hopeless.failed[hopeless.failed["status"] != "running"]
    assert list(failed["status"]) == ["failed"] * 2
    assert failed["error"].str.startswith("EncoderWeightsError: ").all()
    assert "Traceback (most recent call last)" in hopeless.log
