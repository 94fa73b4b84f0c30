"""Searches in separate processes, with their time and memory; shared by the benchmarks that compare searches."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
import tomli_w

ROOT = Path(__file__).resolve().parents[1]


class Ran(NamedTuple):
    """A finished program: its output, its run time in seconds, and its own peak memory in MiB."""

    out: str
    seconds: float
    peak_mb: float


def run(command: Sequence[str | Path], cwd: Path) -> Ran:
    """Run a program to completion; raise a RuntimeError with its output if it fails."""
    started = time.perf_counter()
    with (cwd / "out.txt").open("w+") as out, (cwd / "err.txt").open("w+") as err:
        process = subprocess.Popen([str(part) for part in command], cwd=cwd, stdout=out, stderr=err, env=_environment())
        _, status, usage = os.wait4(process.pid, 0)  # `wait` does not report memory usage
        process.returncode = os.waitstatus_to_exitcode(status)
        seconds = time.perf_counter() - started
        for file in (out, err):
            file.seek(0)
        if process.returncode:
            raise RuntimeError(f"{command} failed:\n{out.read()}\n{err.read()}")
        return Ran(out.read(), seconds, usage.ru_maxrss / 2**10)


def stock_search(settings: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """A search with a stock tuner (see `_stock`), with the time and memory of its whole process."""
    folder.mkdir(parents=True)
    (folder / "settings.json").write_text(json.dumps({**settings, "directory": str(folder)}))
    ran = run([sys.executable, "-m", "benchmarks._stock", folder / "settings.json"], folder)
    return {**json.loads(ran.out.splitlines()[-1]), "seconds": ran.seconds, "peak_mb": ran.peak_mb}


def our_search(settings: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """The same search with `deeplab-search run`."""
    folder.mkdir(parents=True)
    study = {
        "study": {"name": "ours", "seed": settings["seed"]},
        "data": {"format": "synthetic", "image_size": settings["image_size"], **settings["data"]},
        "hyperband": {"max_epochs": settings["max_epochs"], "factor": settings["factor"], "baseline": False},
        "space": {"encoder_weights": "none", **settings["space"]},
        "recipe": settings["recipe"],
        "workers": {"count": 1},
    }
    (folder / "study.toml").write_text(tomli_w.dumps(study))
    ran = run([sys.executable, "-m", "search", "run", folder / "study.toml"], folder)
    trials = pd.read_csv(folder / "results/ours/trials.csv")
    epochs = pd.read_csv(folder / "results/ours/epochs.csv")
    return {
        "seconds": ran.seconds,
        # Of the driver or of a trial, whichever is larger: they are separate processes.
        "peak_mb": max(ran.peak_mb, float(epochs["peak_memory_mb"].max())),
        "in_steps": float(epochs["seconds"].sum()),
        "epochs": len(epochs),
        "trials": len(trials),
        "best": float(trials["score"].max()),
    }


def _environment() -> dict[str, str]:
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    return {**os.environ, "PYTHONPATH": path, "TF_CPP_MIN_LOG_LEVEL": "3"}
