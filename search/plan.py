"""The `plan` command: what a search would do, without training it."""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from datasets.dataset import usable_cores
from search.console import duration, make_console
from search.executors.local import list_gpus, share_devices
from search.prepare import Prepared, prepare
from search.schedule import Schedule, make_schedule

if TYPE_CHECKING:
    from deeplab import Cost
    from search.oracle import Values

# Points drawn to see what the limits reject.
SAMPLE = 300
# Training steps that the probe times after the first.
PROBE_STEPS = 3


@dataclass(frozen=True)
class Probe:
    """Measured on the median network: time to the end of the first step, and images per second after it."""

    start_seconds: float
    images_per_second: float


def show_plan(path: Path, overrides: Sequence[str], *, probe: bool) -> None:
    """Print brackets, rungs, trials and epochs, network sizes, what limits reject, and the time to expect.

    Raises:
        UserError: the study file, its data or its space are wrong.
    """
    prepared = prepare(path, overrides, weights=False)
    from search.limits import make_oracle, preview

    console = make_console()
    planned = make_schedule(prepared.config.hyperband)
    oracle = make_oracle(prepared.config, prepared.space, prepared.dataset)
    with console.status("drawing the configurations"):
        drawn = preview(oracle, prepared.config, prepared.space)
    schedule = planned.limited_to(len(drawn))
    console.print(_title(prepared, schedule), style="bold")
    console.print(_bracket_table(schedule))
    for note in prepared.space.notes:
        console.print(f"note: {note}", style="yellow")
    console.print(_size_line(drawn, planned))
    sizes = [(cost_of(prepared, values), values) for values in drawn]
    if sizes:
        console.print(_cost_table(prepared, sizes))
    _say_rejected(console, prepared)
    if probe:
        with console.status("timing a few training steps of the median network"):
            measured = _measure(prepared, _median(sizes)[1] if sizes else None)
        _say_time(console, prepared, schedule, measured)


def cost_of(prepared: Prepared, values: Values) -> Cost:
    """What the network at a point of the space costs."""
    from deeplab import cost

    return cost(prepared.space.architecture(values), prepared.config.data.image_size, prepared.dataset.classes)


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
        return f"\nthe {len(drawn)} configurations that the brackets will draw:"
    return (
        f"\nonly {len(drawn)} of {schedule.configurations} configurations can be drawn: the space holds no more that "
        "differ and fit the limits; the rungs get smaller accordingly."
    )


def _median(sizes: Sequence[tuple[Cost, Values]]) -> tuple[Cost, Values]:
    return sorted(sizes, key=lambda item: item[0].macs)[len(sizes) // 2]


def _cost_table(prepared: Prepared, sizes: Sequence[tuple[Cost, Values]]) -> Table:
    ordered = sorted(sizes, key=lambda item: item[0].macs)
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for column in ("network", "parameters", "MACs", "configuration"):
        table.add_column(column, justify="left" if column in ("network", "configuration") else "right")
    for name, (cost, values) in (("smallest", ordered[0]), ("median", _median(sizes)), ("largest", ordered[-1])):
        shown = ", ".join(f"{key}={value}" for key, value in values.items() if key != "learning_rate")
        table.add_row(name, f"{cost.parameters / 1e6:.2f} M", f"{cost.macs / 1e9:.2f} G", shown)
    baseline, _ = prepared.space.baseline()
    from deeplab import cost as network_cost

    reference = network_cost(baseline, prepared.config.data.image_size, prepared.dataset.classes)
    table.add_row("baseline", f"{reference.parameters / 1e6:.2f} M", f"{reference.macs / 1e9:.2f} G", "the tutorial's")
    return table


def _say_rejected(console: Console, prepared: Prepared) -> None:
    """Which share of the space each limit rejects, from a sample of it."""
    from search.oracle import draw_values

    limits, space = prepared.config.limits, prepared.space
    hyperparameters = space.hyperparameters()
    points = [draw_values(hyperparameters, [prepared.config.study.seed, number]) for number in range(SAMPLE)]
    shares = {"dilation rates that reach only padding": sum(not space.admits(point) for point in points)}
    costs = [cost_of(prepared, point) for point in points]
    if limits.max_parameters is not None:
        over = sum(cost.parameters > limits.max_parameters for cost in costs)
        shares[f"max_parameters = {limits.max_parameters:,}"] = over
    if limits.max_macs is not None:
        shares[f"max_macs = {limits.max_macs:,}"] = sum(cost.macs > limits.max_macs for cost in costs)
    for reason, count in shares.items():
        if count:
            console.print(f"rejected and drawn again: {100 * count / SAMPLE:.0f} % of the space, by {reason}")


def _measure(prepared: Prepared, values: Values | None) -> Probe:
    """Train a few steps of one network in this process."""
    from search.training import Trainer

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
        f"first step\nwith {workers} worker{'s' * (workers > 1)}: about {duration(total)} for the search, "
        f"{duration(epoch)} an epoch",
        style="bold",
    )
