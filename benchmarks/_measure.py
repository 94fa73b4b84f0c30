"""Shared by all benchmarks: both sides in one run, in turns; medians; a table on stderr and JSON on stdout."""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import statistics
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from rich.console import Console, JustifyMethod
from rich.progress import track
from rich.table import Table

from datasets.cores import usable_cores
from search.system.machine import versions

Row = Mapping[str, Any]
Item = TypeVar("Item")
NO_GPU = "no GPU"
console = Console(stderr=True, highlight=False, width=None if sys.stderr.isatty() else 160)


def arguments(description: str) -> argparse.Namespace:
    """The options that benchmarks share."""
    parser = argparse.ArgumentParser(description=description)
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--full", action="store_true", help="the complete grid, which takes much longer")
    size.add_argument("--smoke", action="store_true", help="just enough to show that it runs; the numbers mean nothing")
    parser.add_argument(
        "--processor-time",
        action="store_true",
        help="measure processor time instead of wall-clock time, for machines that are busy with other programs",
    )
    return parser.parse_args()


def with_progress(what: str, items: Iterable[Item]) -> Iterable[Item]:
    """The items, with a progress bar and the time left if the output is a terminal."""
    # Once per second, because drawing the bar takes time from what is measured.
    return track(
        list(items),
        what,
        console=console,
        transient=True,
        refresh_per_second=1,
        update_period=1.0,
        disable=not console.is_terminal,
    )


def in_turns(
    sides: Mapping[str, Callable[[], object]], repeats: int, clock: Callable[[], float] = time.perf_counter
) -> dict[str, float]:
    """Median seconds per call of each side, after a warm-up call; in turns, so that a busy machine slows all of them.

    Each round has its own random order, because a call affects the caches and memory of the one after it.
    """
    for call in sides.values():
        call()
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    rng = random.Random(0)
    for _ in range(repeats):
        for name in rng.sample(list(sides), len(sides)):
            started = clock()
            sides[name]()
            seconds[name].append(clock() - started)
    return {name: statistics.median(values) for name, values in seconds.items()}


def report(name: str, rows: Sequence[Row], **summary: Any) -> None:
    """Show the rows as a table on stderr, and everything as JSON on stdout."""
    machine = describe_machine()
    title = f"{name}: {machine['processor']}, {machine['cores']} cores, {machine['device']}"
    table = Table(title=title, box=None, padding=(0, 1, 0, 0))
    for column in rows[0]:
        side: JustifyMethod = "left" if isinstance(rows[0][column], str) else "right"
        table.add_column(column.replace("_", " "), justify=side, overflow="fold")
    for row in rows:
        table.add_row(*(_shown(value) for value in row.values()))
    console.print(table)
    for key, value in summary.items():
        console.print(f"{key.replace('_', ' ')}: {_shown(value)}")
    print(json.dumps({"benchmark": name, "machine": machine, "rows": list(rows), **summary}, indent=1))


def describe_machine() -> dict[str, Any]:
    """What the numbers depend on: processor, cores, device and versions."""
    return {
        "processor": _processor(),
        "cores": usable_cores(),
        "device": device_name(),
        "load": round(os.getloadavg()[0], 1),
        "versions": versions(),
    }


def device_name() -> str:
    """The first GPU, as its driver calls it."""
    if os.environ.get("KERAS_BACKEND") == "jax":
        import jax

        device = jax.devices()[0]
        return str(device.device_kind) if device.platform == "gpu" else NO_GPU
    import tensorflow as tf

    gpus = tf.config.list_physical_devices("GPU")
    return str(tf.config.experimental.get_device_details(gpus[0]).get("device_name", "GPU")) if gpus else NO_GPU


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.exists() else []
    names = [line for line in lines if line.startswith("model name")]
    return names[0].partition(":")[2].strip() if names else platform.processor() or platform.machine()


def _shown(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.3g}" if abs(value) < 100 else f"{value:.0f}"
    return str(value)
