"""The command line: one function per command, which reads its arguments and calls the module that does the work."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from search.commands import options as of
from search.commands.arguments import Directory, Model, Overrides, StudyFile, StudyFolder, StudyFolders, path_of
from search.errors import Incomplete, Interrupted, SearchStopped, UserError
from search.exporters import DEFAULT_FORMATS
from search.study.choices import EXECUTORS
from search.system.quiet import quiet_environment
from search.system.streams import enduring
from search.system.text import name_files_in_utf_8, show_any_text

app = typer.Typer(
    name="deeplab-search",
    help="Find the best DeepLabV3+ for your images: a Hyperband search over its architecture.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
data_app = typer.Typer(help="Look at a study's data.", no_args_is_help=True)
app.add_typer(data_app, name="data")


@app.command()
def run(
    study: StudyFile,
    set_: Overrides = None,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Trials at a time.  \\[default: one per GPU, or 1 without]")
    ] = None,
    executor: Annotated[str | None, typer.Option(help=f"Where trials run: {', '.join(EXECUTORS)}.")] = None,
    directory: Directory = None,
    fresh: of.Fresh = False,
    verbose: of.Verbose = False,
) -> None:
    """Start a search, or continue it: after any stop, the same command continues."""
    # Each command is imported when it is called, so that `--help` and `status` do not wait for the libraries of others.
    from search.commands.run import run_study
    from search.driver.interrupts import ignore_hangups

    ignore_hangups()
    overrides = list(set_ or [])
    overrides += [f"workers.count={workers}"] if workers is not None else []
    overrides += [f'workers.executor="{executor}"'] if executor is not None else []
    run_study(study, overrides, directory, fresh=fresh, verbose=verbose)


@app.command()
def init(
    data: Annotated[str, typer.Argument(metavar="DATA", help="The data's folder or file; or: synthetic.")],
    hours: Annotated[float, typer.Option(min=0.01, help="The time that the search may take.")] = 8.0,
    weights: Annotated[
        str | None, typer.Option(help="Encoder weights: none, or a file.  \\[default: ImageNet's, downloaded]")
    ] = None,
    to: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="The study file to write.  \\[default: NAME.toml]", parser=path_of),
    ] = None,
) -> None:
    """Look at data and this machine, and write a study file that fits both: each choice with its reason."""
    from search.commands.init import init_study

    init_study(data, hours=hours, weights=weights, target=to)


@app.command()
def plan(
    study: StudyFile,
    set_: Overrides = None,
    probe: Annotated[bool, typer.Option(help="Train a few steps to estimate the time.")] = True,
) -> None:
    """Show what a search would do, without training: brackets, trials, network sizes, time."""
    from search.commands.plan import show_plan

    show_plan(study, list(set_ or []), probe=probe)


@app.command()
def status(
    folder: StudyFolder,
    json_: Annotated[bool, typer.Option("--json", help="For scripts: one JSON object on standard output.")] = False,
    watch: Annotated[bool, typer.Option("--watch", help="Keep showing it until the search is over.")] = False,
) -> None:
    """Show where a search stands, while it runs or after: trials, brackets, the best so far, failures."""
    from search.commands.status import show_json, show_status, watch_status

    if json_ and watch:
        raise UserError("--json and --watch are both given; expected one of them.")
    show = show_json if json_ else watch_status if watch else show_status
    show(folder)


@app.command()
def report(folder: StudyFolder) -> None:
    """Write DIR/report.html, one page that opens offline: the verdict, plots, the best network, failures."""
    from search.report import write_report

    print(write_report(folder))


@app.command()
def compare(
    folders: StudyFolders,
    to: Annotated[
        Path | None,
        typer.Option(
            metavar="PATH", help="Also write comparison.csv and comparison.html into this folder.", parser=path_of
        ),
    ] = None,
) -> None:
    """Show studies side by side: their best configurations, gains and costs."""
    from search.commands.compare import compare_studies

    compare_studies(folders, to)


@app.command()
def board(
    folders: StudyFolders,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port of the page; 0 for any free one.")] = 6006,
    host: Annotated[str, typer.Option(help="Address to serve on; 0.0.0.0 for other machines too.")] = "localhost",
) -> None:
    """Open studies in TensorBoard: curves, and a table that compares the configurations."""
    from search.commands.board import serve

    serve(folders, host=host, port=port)


@app.command()
def train(
    study: StudyFile,
    architecture: of.ArchitectureFile,
    epochs: of.Epochs = None,
    to: of.TrainTo = None,
    set_: Overrides = None,
    fresh: of.TrainFresh = False,
) -> None:
    """Train one configuration, such as the best, at any budget; after any stop, the same command continues."""
    from search.commands.train import train as train_configuration
    from search.driver.interrupts import ignore_hangups

    ignore_hangups()
    train_configuration(study, architecture, list(set_ or []), epochs=epochs, target=to, fresh=fresh)


@app.command()
def export(
    folder: StudyFolder,
    trial: Annotated[str | None, typer.Option(help="The trial to export.  \\[default: the best]")] = None,
    pareto: Annotated[
        bool, typer.Option("--pareto", help="Every trial that no other one beats at as few MACs, each in its folder.")
    ] = False,
    format_: of.Formats = DEFAULT_FORMATS,
    output: of.Output = "probabilities",
    size: of.Size = "fixed",
    to: of.ExportTo = None,
    overwrite: of.Overwrite = False,
    benchmark: of.Benchmark = False,
) -> None:
    """Write a trial's best network as models that load without this project, verified, with a model card."""
    from search.commands.export import ExportOptions, export_front, export_study

    options = ExportOptions(format_, output, size, overwrite, benchmark)
    if not pareto:
        export_study(folder, options, trial_id=trial, target=to)
    elif trial is None:
        export_front(folder, options, target=to)
    else:
        raise UserError("--pareto: exports every trial of the front; leave out --trial.")


@app.command()
def evaluate(
    model: Model,
    study: StudyFile,
    split: of.Split = "test",
    flip: of.Flip = False,
    scales: of.Scales = "1",
    to: of.EvaluateTo = None,
) -> None:
    """Score a model on the images of a split, at their own size: IoU, Dice and boundaries of each class, confusion.

    For binary data, the best threshold on the validation split is found too.
    """
    from search.commands.evaluate import evaluate_model

    evaluate_model(model, study, split=split, flip=flip, scales=scales, target=to)


@app.command()
def predict(
    model: Model,
    images: of.Images,
    to: of.PredictTo,
    recursive: of.Recursive = False,
    tile: of.Tile = "auto",
    flip: of.Flip = False,
    scales: of.Scales = "1",
    batch: of.Batch = 4,
    legend: of.Legend = False,
    probabilities: of.KeepProbabilities = False,
) -> None:
    """Segment images: a mask of class ids and a coloured overlay for each.

    Images that cannot be read are named at the end, with exit status 1; the others are segmented.
    """
    from search.commands.predict import PredictOptions, predict_images

    options = PredictOptions(tile, flip, scales, batch, recursive, legend, probabilities)
    predict_images(model, images, to, options)


@app.command()
def summary(
    file: of.SummaryFile = None,
    image_size: of.ImageSize = (512, 512),
    classes: of.Outputs = 1,
) -> None:
    """Show a network as a table of parts, shapes, parameters and MACs; without FILE the tutorial's.

    Nothing is trained, and no data are needed:

      deeplab-search summary results/NAME/best.toml --image-size 256 512 --classes 11
    """
    from search.commands.summary import show_summary

    show_summary(file, image_size, classes)


@app.command()
def doctor(
    folder: Annotated[
        Path | None, typer.Argument(metavar="[DIR]", help="A study folder.", show_default=False, parser=path_of)
    ] = None,
) -> None:
    """Show devices, versions, disk space, and what is missing; with DIR, check a study's files and mend them."""
    from search.commands.doctor import check_study, show_doctor

    if folder is None:
        show_doctor()
    else:
        check_study(folder)


@data_app.command("check")
def data_check(study: StudyFile, set_: Overrides = None) -> None:
    """Read all the data and say what would break or bias training, before a GPU is spent on it."""
    from search.commands.data_check import check_data

    check_data(study, list(set_ or []))


@data_app.command("show")
def data_show(
    study: StudyFile,
    to: Annotated[Path, typer.Option(metavar="PATH", help="Folder for the pages.", parser=path_of)],
    set_: Overrides = None,
) -> None:
    """Draw pages of images with their masks, as stored and as trained: resized or cropped, and augmented."""
    from search.commands.data_show import show_data

    show_data(study, list(set_ or []), to)


def main() -> None:
    """Run the command line. Exit status: 0 done, 1 the search could not finish, 2 wrong input, 130 interrupted."""
    name_files_in_utf_8()
    show_any_text()
    quiet_environment()
    # Messages are printed as they are: paths may contain brackets, and terminals wrap lines themselves.
    errors = Console(stderr=True, file=enduring(sys.stderr), highlight=False, soft_wrap=True, markup=False, emoji=False)
    try:
        # Named, because `python -m` would have the help say so.
        app(prog_name="deeplab-search")
    except UserError as error:
        errors.print(f"deeplab-search: {error}")
        sys.exit(2)
    except SearchStopped as error:
        errors.print(f"deeplab-search: the search stopped: {error}")
        sys.exit(1)
    except Incomplete as error:
        errors.print(f"deeplab-search: {error}")
        sys.exit(1)
    except Interrupted as error:
        errors.print(f"deeplab-search: {error}")
        sys.exit(130)
    except BrokenPipeError:
        # The reader of our output (head, less) has gone, which is not a failure.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
