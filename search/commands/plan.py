"""The `plan` command: what a search would do, without training it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from rich.console import Console

from deeplab import Cost, cost
from search.executors import make_executor
from search.oracle.schedule import Schedule, make_schedule
from search.study import Study
from search.study.choices import LEARNING
from search.study.config import HyperbandSection
from search.study.prepare import Prepared, prepare
from search.system.wording import duration, plural
from search.terminal import make_console, splitting_progress
from search.trial.probe import time_steps

if TYPE_CHECKING:
    from search.oracle.limits import Limits, Point
    from search.oracle.points import Values
    from search.oracle.start import Start

T = TypeVar("T")

# Networks whose latency is measured.
MEASURED = 8


@dataclass(frozen=True)
class _Drawn:
    """What was drawn for the plan.

    Attributes:
        points: of the whole space, whether they fit the limits or not.
        configurations: that the brackets will draw, with their costs, the smallest first.
        milliseconds: of some of these, where latency is limited and may be measured.
    """

    points: Sequence[Point]
    configurations: Sequence[tuple[Cost, Values]]
    milliseconds: Sequence[float]


def show_plan(path: Path, overrides: Sequence[str], *, probe: bool) -> None:
    """Print brackets, rungs, trials and epochs, what the space holds, what limits reject, and the time to expect.

    Raises:
        UserError: the study file, its data or its space are wrong, or almost nothing of the space fits the limits.
    """
    console = make_console()
    prepared = prepare(path, overrides, weights=False, bar=splitting_progress(console))
    # KerasTuner is loaded by now, quietly; before the file was read, it would have kept the user waiting.
    from search.oracle.factory import make_limits
    from search.oracle.latency import LatencyMeter

    meter = LatencyMeter(prepared.config.data.image_size, prepared.dataset.classes, prepared.config.data.channels)
    meter.recall(Study(prepared.config.folder).latency_file)
    limits = make_limits(prepared, meter)
    config = prepared.config
    start, notes = _start(prepared, limits)
    drawn = _draw(console, prepared, limits, start, measures=probe)
    schedule = make_schedule(config.hyperband, config.confirm).limited_to(len(drawn.configurations))
    _show_space(console, prepared, limits, drawn, schedule)
    for note in [*notes, *_advice(prepared, schedule)]:
        console.print(f"note: {note}", style="yellow")
    _show_configurations(console, prepared, limits, drawn)
    if probe:
        _show_time(console, prepared, drawn, schedule)


def _start(prepared: Prepared, limits: Limits) -> tuple[Start, list[str]]:
    """What the study takes from earlier ones: as it was frozen where the study exists, else as it is now."""
    from search.oracle.start import load_start
    from search.oracle.starting import read_start

    study = Study(prepared.config.folder)
    # A study that was created from another file has none; `run` refuses that.
    frozen = study.exists and study.start_file.exists()
    return (load_start(study, prepared.config), []) if frozen else read_start(prepared, limits)


def _advice(prepared: Prepared, schedule: Schedule) -> list[str]:
    """A note where the schedule is too short for a sampler that learns."""
    from search.oracle.learning import learning_advice

    learns = prepared.config.hyperband.sampler in LEARNING
    advice = learning_advice(schedule, len(prepared.space.offers)) if learns else None
    return [] if advice is None else [advice]


def _draw(console: Console, prepared: Prepared, limits: Limits, start: Start, *, measures: bool) -> _Drawn:
    from search.oracle.factory import make_oracle, preview
    from search.oracle.limits import LATENCY

    measures = measures and LATENCY in limits.given
    with console.status("drawing the configurations"):
        limits.check(measure=measures)
        points = limits.sample()
        # Latency is measured for every network that is drawn, as the search starts: here, of a few.
        oracle = make_oracle(prepared.config, prepared.space, limits.without_latency(), start)
        values = preview(oracle, prepared.config, prepared.space)
    sizes = sorted(((limits.cost_of(point), point) for point in values), key=lambda item: item[0].macs)
    with console.status("measuring the latency of a few networks"):
        measured = [limits.milliseconds(point) for _, point in _spread(sizes)] if measures else []
    return _Drawn(points, sizes, measured)


def _show_space(console: Console, prepared: Prepared, limits: Limits, drawn: _Drawn, schedule: Schedule) -> None:
    """The schedule, and what the space holds."""
    from search.terminal.plan_tables import bracket_table, networks_line, rejection_table, size_table

    console.print(_title(prepared, schedule), style="bold")
    console.print(bracket_table(schedule))
    for note in prepared.space.notes:
        console.print(f"note: {note}", style="yellow")
    console.print(f"\n{networks_line(prepared.space, drawn.points)}", style="bold")
    console.print(size_table(drawn.points))
    rejections = rejection_table(limits, drawn.points, drawn.milliseconds)
    if rejections is not None:
        console.print("", rejections, sep="\n")


def _show_configurations(console: Console, prepared: Prepared, limits: Limits, drawn: _Drawn) -> None:
    """The configurations that will be drawn: the smallest, the median and the largest, next to the baseline."""
    from search.oracle.limits import LATENCY
    from search.terminal.plan_tables import configuration_table

    console.print(_size_line(drawn, prepared.config.hyperband), style="bold")
    columns = {name: drawn.configurations[index] for name, index in _places(drawn.configurations).items()}
    architecture, recipe = prepared.space.baseline()
    baseline = prepared.space.values(architecture, recipe)
    # Its cost is that of the network itself, which need not lie in the space.
    data = prepared.config.data
    size = cost(architecture, data.image_size, prepared.dataset.classes, data.channels)
    columns["baseline"] = (size, baseline)
    console.print(configuration_table(columns, list(prepared.space.searched)))
    if LATENCY in limits.given:
        console.print(_latency_line(drawn.milliseconds))


def _show_time(console: Console, prepared: Prepared, drawn: _Drawn, schedule: Schedule) -> None:
    """How long the search will take, from a few training steps of its median network."""
    space, sizes = prepared.space, drawn.configurations
    median = sizes[len(sizes) // 2][1] if sizes else None
    architecture, recipe = space.baseline() if median is None else (space.architecture(median), space.recipe_of(median))
    with console.status("timing a few training steps of the median network"):
        probe = time_steps(architecture, recipe, prepared.dataset, prepared.config.data.image_size)
    executor = make_executor(prepared.config)
    devices = executor.devices
    executor.shutdown()
    workers = len(devices)
    epoch = probe.epoch_seconds(prepared.dataset)
    # Workers on CPUs share what the probe had alone.
    cores = 1 if devices[0].gpu is not None else workers
    total = (schedule.epochs * epoch * cores + schedule.trials * probe.start_seconds) / workers
    console.print(
        f"\nmeasured: {probe.images_per_second:.1f} images/s in training, {duration(probe.start_seconds)} to a trial's "
        f"first step\nwith {plural(workers, 'worker')}: about {duration(total)} for the search, "
        f"{duration(epoch)} per epoch",
        style="bold",
    )


def _places(sizes: Sequence[object]) -> dict[str, int]:
    """The smallest, the median and the largest of a sorted list, where it holds any."""
    return {"smallest": 0, "median": len(sizes) // 2, "largest": len(sizes) - 1} if sizes else {}


def _spread(sizes: Sequence[T]) -> list[T]:
    """At most `MEASURED` of a sorted list, from the smallest to the largest."""
    last, count = len(sizes) - 1, min(MEASURED, len(sizes))
    return [sizes[last * index // max(count - 1, 1)] for index in range(count)]


def _latency_line(milliseconds: Sequence[float]) -> str:
    times = f"{min(milliseconds):.1f} to {max(milliseconds):.1f} ms; " if milliseconds else ""
    return (
        f"\nmax_latency_ms: {times}`run` measures each network before it draws it, some seconds each, so the "
        "configurations above may be replaced by faster ones."
    )


def _title(prepared: Prepared, schedule: Schedule) -> str:
    data, dataset = prepared.config.data, prepared.dataset
    height, width = data.image_size
    images = ", ".join(f"{dataset.length(split)} {split}" for split in dataset.splits)
    others = " and the baseline" * schedule.baseline
    if schedule.confirmations:
        others = f"{', the baseline' * schedule.baseline} and {schedule.confirmations} confirmations"
    in_brackets = schedule.trials - schedule.baseline - schedule.confirmations
    return (
        f"{prepared.config.study.name}: {in_brackets} trials of {schedule.configurations} "
        f"configurations{others}, {schedule.epochs} epochs\n"
        f"data: {data.format}, {images} images at {height}x{width}, {len(dataset.class_names)} classes"
    )


def _size_line(drawn: _Drawn, hyperband: HyperbandSection) -> str:
    count, schedule = len(drawn.configurations), make_schedule(hyperband)
    if count == schedule.configurations and hyperband.sampler in LEARNING:
        return (
            f"\n{plural(count, 'random configuration')}, a picture of the space; sampler {hyperband.sampler!r} will "
            "draw others once it has results:"
        )
    if count == schedule.configurations:
        return f"\nthe {plural(count, 'configuration')} that the brackets will draw:"
    return (
        f"\nonly {count} of {schedule.configurations} configurations can be drawn: the space holds no more that "
        "differ and fit the limits; the rungs get smaller accordingly."
    )
