"""A search's trials as the system sees them, and what two runs of one search must have in common."""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from pathlib import Path

import h5py
import numpy as np
import pandas as pd

from tests.integration.program import Running

# What differs between two runs of one search: times, and how often it was disturbed.
OF_THE_RUN = ["attempts", "started", "finished", "train_seconds", "total_seconds", "worker"]
OF_THE_EPOCH = ["seconds", "images_per_second", "peak_memory_mb"]


def trial_processes(search: Running) -> dict[int, str]:
    """The trial of each process of a search that runs one: a trial's output is its own log."""
    found = {}
    for process in search.members():
        with suppress(OSError):
            output = Path(f"/proc/{process}/fd/1").readlink()
            if output.name == "log.txt" and os.getpgid(process) == process:
                found[process] = output.parent.name.removeprefix("trial_")
    return found


def kill_trial(search: Running, trial_id: str) -> int | None:
    """Kill the process of a trial, where it runs; its id."""
    for process, name in trial_processes(search).items():
        if name == trial_id:
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
                return process
    return None


def trials_of(study: Path) -> pd.DataFrame:
    text = {"trial_id": str, "parent_id": str, "config_id": str}
    return pd.read_csv(study / "trials.csv", dtype=text).set_index("trial_id").sort_index()


def epochs_of(study: Path) -> pd.DataFrame:
    text = {"trial_id": str, "config_id": str}
    return pd.read_csv(study / "epochs.csv", dtype=text).set_index(["trial_id", "epoch"]).sort_index()


def assert_same_results(found: Path, expected: Path) -> None:
    """The same trials and epochs to the last digit, no row doubled or missing, and the same checkpoints kept."""
    pd.testing.assert_frame_equal(
        trials_of(found).drop(columns=OF_THE_RUN), trials_of(expected).drop(columns=OF_THE_RUN), check_exact=True
    )
    pd.testing.assert_frame_equal(
        epochs_of(found).drop(columns=OF_THE_EPOCH), epochs_of(expected).drop(columns=OF_THE_EPOCH), check_exact=True
    )
    kept, expected_kept = (
        {str(path.relative_to(study)) for path in study.glob("trial_*/*/*.weights.h5")} for study in (found, expected)
    )
    assert kept == expected_kept
    for name in kept:
        assert_same_weights(found / name, expected / name)


def assert_same_weights(found: Path, expected: Path) -> None:
    """Every array of two weights files is the same, the optimizer's included."""
    one, other = arrays_of(found), arrays_of(expected)
    assert one.keys() == other.keys()
    assert any("optimizer" in name for name in one)
    for name, array in one.items():
        np.testing.assert_array_equal(array, other[name], err_msg=f"{found}: {name}")


def arrays_of(weights: Path) -> dict[str, np.ndarray]:
    found = {}
    with h5py.File(weights) as file:
        file.visititems(lambda name, item: found.update({name: item[()]}) if isinstance(item, h5py.Dataset) else None)
    return found


def kept_for_export(trials: pd.DataFrame) -> set[str]:
    """The trials whose checkpoint must be kept: the three best, the baseline, the Pareto front of score and MACs."""
    done = trials[trials["status"] == "completed"]
    front = {
        str(name)
        for name, row in done.iterrows()
        if not ((done["macs"] <= row["macs"]) & (done["score"] > row["score"])).any()
        and not ((done["macs"] < row["macs"]) & (done["score"] >= row["score"])).any()
    }
    best = trials.sort_values("score", ascending=False).index[:3]
    return front | set(best) | ({"baseline"} & set(trials.index))
