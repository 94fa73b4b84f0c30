"""The `plan` command: what a search would do, without training it."""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from rich.console import Console
from rich.table import Table

from datasets.cores import usable_cores
from search.executors.devices import list_gpus, share_devices
from search.oracle.factory import make_limits
from search.oracle.latency import LatencyMeter
from search.oracle.schedule import Schedule, make_schedule
from search.study.folder import Study
from search.study.prepare import Prepared, prepare
from search.system.wording import duration, plural
from search.terminal.console import make_console

if TYPE_CHECKING:
    from search.oracle.limits import Limits
    from search.oracle.points import Values

T = TypeVar("T")

# Networks whose latency is measured.
MEASURED = 8
# Training steps that the probe times after the first.
PROBE_STEPS = 3


@dataclass(frozen=True)
class Probe:
    """Measured on the median network: time to the end of the first step, and images per second after it."""

    start_seconds: float
    images_per_second: float


def show_plan(path: Path, overrides: Sequence[str], *, probe: bool) -> None:
    """Print brackets, rungs, trials and epochs, what the space holds, what limits reject, and the time to expect.

    Raises:
        UserError: the study file, its data or its space are wrong, or almost nothing of the space fits the limits.
    """
    prepared = prepare(path, overrides, weights=False)
    console = make_console()
    meter = LatencyMeter(prepared.config.data.image_size, prepared.dataset.classes)
    meter.recall(Study(prepared.config.folder).latency_file)
    _show(console, prepared, make_limits(prepared, meter), probe=probe)


def _show(console: Console, prepared: Prepared, limits: Limits, *, probe: bool) -> None:
    from search.oracle.factory import make_oracle, preview
    from search.oracle.limits import LATENCY
    from search.terminal.plan_tables import (
        baseline_column,
        configuration_table,
        networks_line,
        rejection_table,
        size_table,
    )

    config, space = prepared.config, prepared.space
    measures = probe and LATENCY in limits.given
    with console.status("drawing the configurations"):
        limits.check(measure=measures)
        points = limits.sample()
        planned = make_schedule(config.hyperband)
        # Latency is measured for every network that is drawn, as the search starts: here, of a few.
        drawn = preview(make_oracle(config, space, limits.without_latency()), config, space)
    sizes = sorted(((limits.cost_of(values), values) for values in drawn), key=lambda item: item[0].macs)
    with console.status("measuring the latency of a few networks"):
        measured = [limits.milliseconds(values) for _, values in _spread(sizes)] if measures else []
    schedule = planned.limited_to(len(drawn))
    console.print(_title(prepared, schedule), style="bold")
    console.print(_bracket_table(schedule))
    for note in space.notes:
        console.print(f"note: {note}", style="yellow")
    console.print(f"\n{networks_line(space, points)}", style="bold")
    console.print(size_table(points))
    rejections = rejection_table(limits, points, measured)
    if rejections is not None:
        console.print("", rejections, sep="\n")
    console.print(_size_line(drawn, planned), style="bold")
    columns = {name: sizes[index] for name, index in _places(sizes).items()}
    columns |= {"baseline": baseline_column(space, prepared.dataset.classes)}
    console.print(configuration_table(columns, list(space.searched)))
    if LATENCY in limits.given:
        console.print(_latency_line(measured))
    if probe:
        with console.status("timing a few training steps of the median network"):
            timed = _measure(prepared, columns["median"][1] if "median" in columns else None)
        _say_time(console, prepared, schedule, timed)


def _places(sizes: Sequence[object]) -> dict[str, int]:
    """The smallest, the median and the largest of a sorted list, where it holds any."""
    return {"smallest": 0, "median": len(sizes) // 2, "largest": len(sizes) - 1} if sizes else {}


def _spread(sizes: Sequence[T]) -> list[T]:
    """At most `MEASURED` of a sorted list, from the smallest to the largest."""
    last, count = len(sizes) - 1, min(MEASURED, len(sizes))
    return [sizes[last * index // max(count - 1, 1)] for index in range(count)]


def _latency_line(measured: Sequence[float]) -> str:
    times = f"{min(measured):.1f} to {max(measured):.1f} ms; " if measured else ""
    return (
        f"\nmax_latency_ms: {times}`run` measures each network before it draws it, some seconds each, so the "
        "configurations above may be replaced by faster ones."
    )


def _title(prepared: Prepared, schedule: Schedule) -> str:
    data, dataset = prepared.config.data, prepared.dataset
    height, width = data.image_size
    images = ", ".join(f"{dataset.length(split)} {split}" for split in dataset.splits)
    baseline = " and the baseline" if schedule.baseline else ""
    return (
        f"{prepared.config.study.name}: {schedule.trials - schedule.baseline} trials of {schedule.configurations} "
        f"configurations{baseline}, {schedule.epochs} epochs\n"
        f"data: {data.format}, {images} images at {height}x{width}, {len(dataset.class_names)} classes"
    )


def _bracket_table(schedule: Schedule) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for column in ("bracket", "rung", "trials", "epochs", "trained"):
        table.add_column(column, justify="left" if column == "bracket" else "right")
    if schedule.baseline:
        table.add_row("baseline", "", "1", f"1-{schedule.max_epochs}", str(schedule.max_epochs))
    for bracket in schedule.brackets:
        for number, rung in enumerate(bracket.rungs):
            name = bracket.name if number == 0 else ""
            trained = rung.size * (rung.last_epoch - rung.first_epoch)
            epochs = f"{rung.first_epoch + 1}-{rung.last_epoch}"
            table.add_row(name, str(number), str(rung.size), epochs, str(trained))
    return table


def _size_line(drawn: Sequence[Values], schedule: Schedule) -> str:
    if len(drawn) == schedule.configurations:
        return f"\nthe {plural(len(drawn), 'configuration')} that the brackets will draw:"
    return (
        f"\nonly {len(drawn)} of {schedule.configurations} configurations can be drawn: the space holds no more that "
        "differ and fit the limits; the rungs get smaller accordingly."
    )


def _measure(prepared: Prepared, values: Values | None) -> Probe:
    """Train a few steps of one network in this process."""
    from search.trial.training import Trainer

    space, config = prepared.space, prepared.config
    architecture, recipe = space.baseline() if values is None else (space.architecture(values), space.recipe_of(values))
    began = time.perf_counter()
    trainer = Trainer(
        architecture,
        recipe,
        prepared.dataset,
        config.data.image_size,
        max_epochs=config.hyperband.max_epochs,
        encoder_weights=None,
        seed=0,
    )
    images, masks = next(iter(trainer.train_data.epoch(1)))
    trainer.model.train_on_batch(images, masks)
    start = time.perf_counter() - began
    steps = []
    for _ in range(PROBE_STEPS):
        before = time.perf_counter()
        trainer.model.train_on_batch(images, masks)
        steps.append(time.perf_counter() - before)
    return Probe(start, len(images) / statistics.median(steps))


def _say_time(console: Console, prepared: Prepared, schedule: Schedule, probe: Probe) -> None:
    devices = share_devices(prepared.config.workers.count, list_gpus(), usable_cores())
    workers = len(devices)
    dataset = prepared.dataset
    # Validation is a forward pass, about a third of a training step.
    epoch = (dataset.length("train") + dataset.length("val") / 3) / probe.images_per_second
    cores = 1 if devices[0].gpu is not None else workers  # workers on CPUs share what the probe had alone
    total = schedule.epochs * epoch * cores / workers + schedule.trials * probe.start_seconds / workers
    console.print(
        f"\nmeasured: {probe.images_per_second:.1f} images/s in training, {duration(probe.start_seconds)} to a trial's "
        f"first step\nwith {plural(workers, 'worker')}: about {duration(total)} for the search, "
        f"{duration(epoch)} an epoch",
        style="bold",
    )
