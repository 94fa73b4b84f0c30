"""Trains a plan's groups in several processes; one file has every finished training as a line."""

from __future__ import annotations

import json
import multiprocessing
import os
import queue
import time
import traceback
from collections.abc import Iterator, Mapping, Sequence
from multiprocessing.context import SpawnProcess
from pathlib import Path
from typing import Any

from benchmarks.tables.plan import REPEATS, Plan, read_plan

# A training: the number of its configuration, and the repeat.
Key = tuple[int, int]
# Of every worker: it shares the device, and its cores, with the others.
ENVIRONMENT = {"XLA_PYTHON_CLIENT_PREALLOCATE": "false", "OMP_NUM_THREADS": "1", "KERAS_BACKEND": "jax"}
FIRST_FAILURES = 3


def read_rows(file: Path) -> dict[Key, dict[str, Any]]:
    """All whole lines of a file of results, by training."""
    lines = file.read_text(encoding="utf-8").split("\n")[:-1] if file.exists() else []
    rows = [json.loads(line) for line in lines]
    return {(row["number"], row["repeat"]): row for row in rows}


def missing(plan: Plan, done: Mapping[Key, Any], most: int) -> list[list[Key]]:
    """The groups of trainings that are not done, each of at most `most`."""
    groups = []
    for group in plan.groups():
        keys = [(each.number, repeat) for each in group for repeat in range(REPEATS)]
        left = [key for key in keys if key not in done]
        groups += [left[start : start + most] for start in range(0, len(left), most)]
    return groups


def record(
    folder: Path, file: Path, groups: Sequence[list[Key]], *, workers: int, epochs: int, seconds: float
) -> Iterator[tuple[int, int, float]]:
    """Train groups until all are done or the time is over; yields (groups done, trainings done, seconds).

    Raises:
        RuntimeError: the first groups all failed.
    """
    started = time.monotonic()
    context = multiprocessing.get_context("spawn")
    tasks: Any = context.Queue()
    results: Any = context.Queue()
    for group in groups:
        tasks.put(group)
    os.environ.update(ENVIRONMENT)
    processes = [context.Process(target=_work, args=(folder, epochs, tasks, results)) for _ in range(workers)]
    for process in processes:
        process.start()
    try:
        with file.open("a", encoding="utf-8") as out:
            yield from _gather(out, results, processes, len(groups), started, seconds)
    finally:
        for process in processes:
            process.kill()  # a worker in the middle of a group has nothing to save
        tasks.cancel_join_thread()  # what nobody took must not hold the end up


def _gather(
    out: Any, results: Any, processes: Sequence[SpawnProcess], count: int, started: float, seconds: float
) -> Iterator[tuple[int, int, float]]:
    trained, failed, done = 0, 0, 0
    while done + failed < count:
        if time.monotonic() - started > seconds or not any(process.is_alive() for process in processes):
            return
        try:
            rows, error = results.get(timeout=1)
        except queue.Empty:
            continue
        if error:
            failed += 1
            print(error, flush=True)
            if not done and failed >= FIRST_FAILURES:
                raise RuntimeError(f"the first {failed} groups failed")
            continue
        out.write("".join(json.dumps(row) + "\n" for row in rows))
        out.flush()
        done, trained = done + 1, trained + len(rows)
        yield done, trained, time.monotonic() - started


def _work(folder: Path, epochs: int, tasks: Any, results: Any) -> None:
    plan = read_plan(folder)
    while True:
        try:
            group = tasks.get(timeout=5)
        except queue.Empty:
            return
        try:
            results.put((_train(plan, group, epochs), ""))
        except Exception:  # noqa: BLE001 - one group must not take the others with it
            results.put(([], f"{group}:\n{traceback.format_exc()}"))


def _train(plan: Plan, group: Sequence[Key], epochs: int) -> list[dict[str, Any]]:
    # Here, so that the parent does not load JAX, which would take memory of the device.
    from benchmarks.tables.training import Member, train_group

    by_number = {each.number: each for each in plan.configurations}
    return train_group([Member(by_number[number], repeat) for number, repeat in group], plan.scenes, epochs)
