"""The `data check` command: what would break or bias training, before a GPU is spent on it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from datasets import Dataset, DataStatistics, Framing, Inspection, Problem, SplitStatistics, inspect_dataset
from datasets.advice import advise_loss, advise_resize
from datasets.judgement import resize_factor
from search.errors import UserError
from search.study.config import StudyConfig
from search.study.measurable import check_measurable
from search.study.prepare import check_objective, open_data
from search.study.reading import load_config
from search.system.wording import listed, plural
from search.terminal import make_console, plain_table, reading_progress, splitting_progress

# Mistakes that a refusal names one by one.
MOST_LISTED = 10


def check_data(path: Path, overrides: Sequence[str]) -> None:
    """Read all images and masks of a study file's data once; print what they hold and every problem.

    Raises:
        UserError: something would break training; warnings alone raise nothing.
    """
    config = load_config(path, overrides)
    # Not strict: what shows in the folder's listing is reported together with what shows in the files.
    console = make_console()
    dataset = open_data(config, strict=False, bar=splitting_progress(console))
    problems, statistics = read_all(dataset, console)
    console.print(_split_table(statistics))
    console.print()
    console.print(_class_table(statistics, dataset.mask_colors()))
    train = statistics.split("train")
    if train is not None:
        console.print()
        console.print(_object_table(train, dataset.framing))
        console.print()
        for line in _advice_lines(train, config, dataset.framing):
            console.print(line, soft_wrap=True)
    for problem in problems:
        style = "red" if problem.severity == "error" else "yellow"
        console.print(f"{problem.severity}: {_located(problem)}", style=style, soft_wrap=True)
    errors = sum(problem.severity == "error" for problem in problems)
    warnings = len(problems) - errors
    if errors:
        raise UserError(f"the data have {plural(errors, 'error')} that would break training (listed above).")
    check_objective(config, dataset, str(path))
    check_measurable(dataset, config.study.objective)
    console.print(f"no errors, {plural(warnings, 'warning') if warnings else 'no warnings'}", style="bold green")
    console.print(f"look at them: deeplab-search data show {path} --to pictures", soft_wrap=True)


def check_new_data(dataset: Dataset, objective: str, console: Console) -> list[str]:
    """Read all the data once before a study is made of them; returns what may bias training.

    Data that are drawn hold no surprises; only the objective is looked for in them.

    Raises:
        UserError: something would break training, or the objective cannot be measured.
    """
    problems = [] if dataset.is_generated else read_all(dataset, console).problems
    refuse_errors(problems)
    with console.status("looking for what the objective measures"):
        check_measurable(dataset, objective)
    return [_located(problem) for problem in problems]


def refuse_errors(problems: Sequence[Problem]) -> None:
    """Raises UserError with the problems that would break training, if there are any."""
    errors = [_located(problem) for problem in problems if problem.severity == "error"]
    if errors:
        more = [f"and {len(errors) - MOST_LISTED} more: see deeplab-search data check"] * (len(errors) > MOST_LISTED)
        listed = "\n".join(f"  - {error}" for error in [*errors[:MOST_LISTED], *more])
        raise UserError(f"the data have {plural(len(errors), 'error')}:\n{listed}")


def read_all(dataset: Dataset, console: Console) -> Inspection:
    """What one pass over the data finds, with progress while they are read."""
    with reading_progress(console, "reading") as progress:
        return inspect_dataset(dataset, progress)


def _located(problem: Problem) -> str:
    """A problem's message, with its file where the message does not name it."""
    if problem.path is None or str(problem.path) in problem.message:
        return problem.message
    return f"{problem.path}: {problem.message}"


def _split_table(statistics: DataStatistics) -> Table:
    table = plain_table("split", "images", "sizes (height x width)", "ignored pixels")
    for split in statistics.splits:
        table.add_row(split.split, str(split.images), _sizes(split), f"{100 * split.ignored_share:.1f} %")
    return table


def _sizes(split: SplitStatistics) -> str:
    return listed([f"{height}x{width} ({count})" for (height, width), count in split.sizes], most=3)


def _class_table(statistics: DataStatistics, colors: Mapping[int, str]) -> Table:
    """Each class's colour in the masks, its share of the pixels and the images that hold it, per split."""
    numbers = [column for split in statistics.splits for column in (f"{split.split} pixels", "images")]
    table = plain_table("class", *["in masks"] * bool(colors), numbers=numbers)
    if colors:
        table.columns[1].min_width = len("    #rrggbb")
    for index, entry in enumerate(statistics.splits[0].classes if statistics.splits else ()):
        cells = []
        for split in statistics.splits:
            found = split.classes[index]
            cells += [f"{100 * found.share:.2f} %", str(found.images)]
        color = [_swatch(colors.get(index))] * bool(colors)
        table.add_row(f"{index} {entry.name}", *color, *cells)
    return table


def _swatch(color: str | None) -> Text:
    return Text() if color is None else Text.assemble(("   ", f"on {color}"), f" {color}")


def _object_table(train: SplitStatistics, framing: Framing) -> Table:
    """How large the areas of each class are as stored and at the size trained, and what is left of them there."""
    factor = resize_factor(train, framing)
    numbers = ("object size", "trained", "width", "trained", "objects left", "images left")
    table = plain_table("class in train", numbers=numbers)
    for index, label in enumerate(train.classes):
        sizes = [_pixels(size, by) for size in (label.object_size, label.width) for by in (1.0, factor)]
        objects = f"{label.kept_objects}/{label.objects}" if label.objects else ""
        table.add_row(f"{index} {label.name}", *sizes, objects, f"{label.kept_images}/{label.images}")
    table.caption_justify = "left"
    table.caption_style = "dim"
    height, width = framing.image_size
    table.caption = (
        f"in pixels; trained: at {height}x{width} with resize = {framing.resize!r}, {factor:.2f} of the size stored"
    )
    return table


def _pixels(size: float | None, factor: float) -> str:
    return "" if size is None else f"{size * factor:.1f}"


def _advice_lines(train: SplitStatistics, config: StudyConfig, framing: Framing) -> Iterator[str]:
    """What `resize` and `loss` the data suggest, beside what the study file has."""
    resize, loss = advise_resize(train, framing), advise_loss(train)
    chosen = config.space.get("loss", config.recipe.loss)
    for key, advice, own in (("resize", resize, config.data.resize), ("loss", loss, chosen)):
        has = "as the study file has it" if own == advice.value else f"the study file has {own!r}"
        yield f'{key} = "{advice.value}" suits these data ({has}): {advice.reason}'
