"""Record a table of trained configurations, on which samplers and promotion rules can be replayed in seconds.

Draws configurations from the space of `studies/demo.toml`, trains each from two seeds for 27 epochs on small synthetic
scenes, and keeps the mean IoU on validation and test scenes after every epoch in `benchmarks/tables/scenes.json.gz`.
Configurations that differ in training choices and dilation rates alone are trained together. A stopped recording
continues where it was.

It runs on JAX, in place of TensorFlow, with or without a GPU (14 processes on one NVIDIA H200 take 7 minutes):

    pip install jax
    KERAS_BACKEND=jax python -m benchmarks.tables.record

`--plan-only` writes what is to be trained to `--folder` and nothing else; a machine with that folder then needs only
JAX, Keras, pydantic and tomli-w. The table is written once all trainings are there, where all of the project's
dependencies are; results of another machine are packed by the same command, with `--machine` to name it.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import sys
from pathlib import Path

from benchmarks.tables.plan import EPOCHS, Plan, make_plan, read_plan, write_plan
from benchmarks.tables.pool import Key, missing, read_rows, record
from datasets.cores import usable_cores

FOLDER = Path(__file__).resolve().parents[2] / "results" / "table"
TABLE = Path(__file__).with_name("scenes.json.gz")
CONFIGURATIONS = 512


def main() -> None:
    """Draw, train what is missing, say how far it is, and write the table when all is there."""
    options = _options()
    if not (options.folder / "configurations.json").exists():
        write_plan(make_plan(options.configurations), options.folder)
    if options.plan_only:
        return
    plan, results = read_plan(options.folder), options.results or options.folder / "results.jsonl"
    if groups := missing(plan, read_rows(results), options.members)[: options.groups]:
        _record(groups, results, options)
    left = sum(map(len, missing(plan, read_rows(results), options.members)))
    if left or options.epochs < EPOCHS:
        print(f"{left} trainings are missing: the table is not written.")
    elif importlib.util.find_spec("keras_tuner") is None:
        print(f"All are trained. Where the project is installed, the same command makes a table of {options.folder}.")
    else:
        _pack(plan, results, options)


def _record(groups: list[list[Key]], results: Path, options: argparse.Namespace) -> None:
    if os.environ.get("KERAS_BACKEND") != "jax":
        sys.exit("Training runs on JAX: pip install jax, then set KERAS_BACKEND=jax.")
    total = sum(map(len, groups))
    print(f"{total} trainings in {len(groups)} groups, {options.workers} at a time", flush=True)
    progress = record(
        options.folder,
        results,
        groups,
        workers=min(options.workers, len(groups)),
        epochs=options.epochs,
        seconds=options.seconds,
    )
    for done, trained, seconds in progress:
        print(f"{seconds:5.0f} s: {done} of {len(groups)} groups, {trained} of {total} trainings", flush=True)


def _pack(plan: Plan, results: Path, options: argparse.Namespace) -> None:
    # Here, because training needs neither KerasTuner nor TensorFlow.
    from benchmarks._measure import device_name
    from benchmarks.tables.table import pack, write_table

    # By now no worker needs the memory of the device that JAX takes in this process.
    machine = options.machine or f"{device_name()}, {os.environ.get('KERAS_BACKEND', 'tensorflow')}"
    write_table(pack(plan, read_rows(results), machine), options.table)
    print(f"{options.table}: {len(plan.configurations)} configurations, recorded on {machine}")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=FOLDER, help="of the plan, and of results so far")
    parser.add_argument("--results", type=Path, help="default: results.jsonl in the folder")
    parser.add_argument("--table", type=Path, default=TABLE, help="the file to write")
    parser.add_argument("--machine", help="what the table says of where it was recorded; default: this machine")
    parser.add_argument("--plan-only", action="store_true", help="write the plan, train nothing")
    parser.add_argument("--configurations", type=int, default=CONFIGURATIONS)
    parser.add_argument("--workers", type=int, default=usable_cores(), help="processes, which share the device")
    parser.add_argument("--members", type=int, default=24, help="the most trainings that run as one")
    parser.add_argument("--groups", type=int, help="only so many")
    parser.add_argument("--epochs", type=int, default=EPOCHS, help="fewer, to try the program out")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="stop after so many")
    return parser.parse_args()


if __name__ == "__main__":
    main()
