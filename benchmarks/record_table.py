"""Record a table of trained configurations, on which samplers and promotion rules can be replayed in seconds.

Draws configurations from the space of `studies/demo.toml`, trains each from two seeds for 27 epochs on small synthetic
scenes, and keeps the validation mean IoU after every epoch in `benchmarks/tables/scenes.json.gz`. Configurations that
differ in training choices and dilation rates alone are trained together. A stopped recording continues where it was.

It runs on JAX, in place of TensorFlow, with or without a GPU:

    pip install jax
    KERAS_BACKEND=jax python -m benchmarks.record_table

`--plan-only` writes what is to be trained to `--folder` and nothing else; a machine with that folder then needs only
JAX, Keras, pydantic and tomli-w.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from benchmarks._table_plan import EPOCHS, make_plan, read_plan, write_plan
from benchmarks._table_pool import missing, read_rows, record
from datasets.cores import usable_cores

FOLDER = Path(__file__).resolve().parents[1] / "results" / "table"
CONFIGURATIONS = 512


def main() -> None:
    """Draw, train what is missing, and say how far it is."""
    options = _options()
    if os.environ.get("KERAS_BACKEND") != "jax":
        sys.exit("This program runs on JAX: pip install jax, then set KERAS_BACKEND=jax.")
    if not (options.folder / "configurations.json").exists():
        write_plan(make_plan(options.configurations), options.folder)
    if options.plan_only:
        return
    plan, results = read_plan(options.folder), options.results or options.folder / "results.jsonl"
    groups = missing(plan, read_rows(results), options.members)[: options.groups]
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


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=FOLDER, help="of the plan, and of results so far")
    parser.add_argument("--results", type=Path, help="default: results.jsonl in the folder")
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
