"""The `init` command: a study file that fits a data set and this machine."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from datasets import DataError, Dataset, Framing, SplitStatistics, open_dataset
from datasets.cores import usable_cores
from datasets.formats import recognize_format
from search.commands.data_check import read_all, refuse_errors
from search.errors import UserError
from search.executors.devices import list_gpus
from search.study.config import StudyConfig
from search.study.prepare import read_space
from search.study.proposal import (
    Choice,
    Machine,
    Section,
    propose_data,
    propose_recipe,
    propose_size,
    propose_space,
    schedule_sections,
    study_text,
)
from search.study.reading import parse_config
from search.system.files import write_atomically, writing_to
from search.system.quiet import load_tensorflow
from search.system.wording import duration
from search.terminal import make_console, splitting_progress

if TYPE_CHECKING:
    from search.oracle.fitting import Speed

SYNTHETIC = "synthetic"
# Splits that are made of data without any, from the most useful to what must do.
_SPLITS: tuple[dict[str, float] | None, ...] = (None, {"val": 0.2, "test": 0.1}, {"val": 0.2})
# Any size will do to look at the data.
_SIZE = (64, 64)


def init_study(data: str, *, hours: float, weights: str | None, target: Path | None) -> None:
    """Look at the data and the machine, and write a study file in which each choice has its reason.

    Args:
        data: the folder or file of the data, or "synthetic".
        hours: that the search may take.
        weights: of the encoder, as in `[space] encoder_weights`; None for ImageNet's.
        target: the file to write; None for one named after the data, here.

    Raises:
        UserError: the data cannot be read or would break training, the file exists, or the time is too short.
    """
    target = target or Path(f"{_name(data)}.toml")
    if target.exists():
        raise UserError(f"{target} exists; name another file with --to, or move it away.")
    console = make_console()
    settings, dataset = _opened(data, console)
    train = _looked_at(dataset, console)
    machine = Machine(len(list_gpus()), usable_cores())
    sections = _sections(_name(target.stem), settings, train, machine, weights)
    sections |= _schedule(sections, dataset, train, machine, hours, console)
    sections = {name: sections[name] for name in _ORDER if name in sections}
    text = study_text(_header(data, target, machine, hours), sections)
    parse_config(tomllib.loads(text), str(target))
    with writing_to(target, "--to"):
        write_atomically(target, text)
    console.print(f"wrote {target}", style="bold green", soft_wrap=True)
    console.print(f"  look at it, and at what it will do:  deeplab-search plan {target}", soft_wrap=True)
    console.print(f"  search:                              deeplab-search run {target}", soft_wrap=True)


_ORDER = ("study", "data", "hyperband", "confirm", "space", "recipe")


def _name(text: str) -> str:
    """A study's name made of a path."""
    stem = Path(text).resolve().stem if text != SYNTHETIC else text
    return re.sub(r"[^A-Za-z0-9._-]+", "-", stem).strip("-._") or "study"


def _opened(data: str, console: Console) -> tuple[Section, Dataset]:
    """`[data]` as far as it says how the data are read, and the data."""
    try:
        kind = SYNTHETIC if data == SYNTHETIC else recognize_format(Path(data))
        path: dict[str, Any] = {} if kind == SYNTHETIC else {"path": data}
        first: DataError | None = None
        for options in _ways():
            try:
                with splitting_progress(console) as progress:
                    dataset = open_dataset(kind, image_size=_SIZE, progress=progress, **path, **options)
            except DataError as error:
                first = first or error
                continue
            section: Section = {"format": Choice(kind), **{name: Choice(value) for name, value in path.items()}}
            return section | _reasons(options), dataset
        raise first or DataError(f"{data} cannot be read.")
    except DataError as error:
        raise UserError(f"[data] {error}") from None


def _ways() -> Iterator[dict[str, Any]]:
    """Ways to open data, from what they say of themselves to what must be added."""
    for binary in ({}, {"classes": 1}):
        for split in _SPLITS:
            yield binary | ({} if split is None else {"split": split})


def _reasons(options: dict[str, Any]) -> Section:
    reasons = {
        "classes": "there is no classes.json: one class against its background; masks hold 0 and 1, or 0 and 255",
        "split": "the data come without: stratified by class; `group` keeps images of one scene together",
    }
    return {name: Choice(value, reasons[name]) for name, value in options.items()}


def _looked_at(dataset: Dataset, console: Console) -> SplitStatistics:
    """What the training split holds. Raises UserError for whatever would break training."""
    problems, statistics = read_all(dataset, console)
    refuse_errors(problems)
    train = statistics.split("train")
    if train is None:
        raise UserError("[data] the data have no training images.")
    return train


def _sections(
    name: str, settings: Section, train: SplitStatistics, machine: Machine, weights: str | None
) -> dict[str, Section]:
    """All sections but the schedule's."""
    data = settings | propose_data(train, Choice(*propose_size(train, machine)))
    framing = Framing(data["image_size"].value, data["resize"].value)
    study: Section = {
        "name": Choice(name),
        "score": Choice("smoothed", "the mean over a trial's last epochs: a single best one is partly luck"),
    }
    return {
        "study": study,
        "data": data,
        "space": propose_space(train, framing, machine, weights),
        "recipe": propose_recipe(train),
    }


def _schedule(
    sections: dict[str, Section],
    dataset: Dataset,
    train: SplitStatistics,
    machine: Machine,
    hours: float,
    console: Console,
) -> dict[str, Section]:
    """`[hyperband]` and `[confirm]`, from a few training steps of a typical configuration."""
    plain = {name: {key: choice.value for key, choice in section.items()} for name, section in sections.items()}
    config = parse_config(plain | {"hyperband": {"max_epochs": 1}}, "the proposal")
    speed = _measured(config, dataset, machine, console)
    from search.oracle.fitting import fit_schedule, smallest_seconds

    fitted = fit_schedule(train.images, config.recipe.batch_size, speed, hours)
    if fitted is None:
        least = duration(smallest_seconds(speed))
        raise UserError(f"--hours: {hours:g} are too few: the smallest search takes about {least} on this machine.")
    return schedule_sections(*fitted, hours)


def _measured(config: StudyConfig, dataset: Dataset, machine: Machine, console: Console) -> Speed:
    """What trials take, by a few training steps of the first configuration that would be drawn."""
    from search.oracle.fitting import Speed
    from search.oracle.samplers.random import draw_values
    from search.trial.probe import time_steps

    load_tensorflow()
    space = read_space(config, "the proposal")
    values = draw_values(space.hyperparameters(), [0, 0, 0])
    architecture, recipe = space.architecture(values), space.recipe_of(values)
    with console.status("timing a few training steps"):
        options = config.data.options() | {"assigned": dataset.assigned_splits()}
        sized = open_dataset(config.data.format, seed=config.study.seed, **options)
        probe = time_steps(architecture, recipe, sized, config.data.image_size)
    return Speed(probe.epoch_seconds(sized), probe.start_seconds, max(1, machine.gpus))


def _header(data: str, target: Path, machine: Machine, hours: float) -> str:
    return (
        f"Run it:  deeplab-search run {target}\n\n"
        f"Made by `deeplab-search init {data}` for these data, {machine} and {hours:g} hours. Every value may be\n"
        "changed; docs/study-files.md explains them, `deeplab-search plan` shows what they lead to."
    )
