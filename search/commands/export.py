"""The `export` command: models that load without this project."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from rich.console import Console

from datasets.cores import usable_cores
from search.commands.earlier_export import check_earlier
from search.errors import Incomplete, UserError
from search.exporters import DEFAULT_FORMATS, EXPORTERS, Details, Exporter, load_exporter
from search.exporters.placing import check_target, place, remove, staging
from search.report.card import CARD_FILE, card_text
from search.results import trial_rows
from search.results.exported import Exported
from search.results.front import pareto_front
from search.results.labels import LABELS_FILE, Output, labels_of, labels_table, labels_text
from search.results.study_images import SCORED, VERIFIED, StudyData, StudyImages
from search.results.trained_network import TrainedTrial, load_model, trained_trial
from search.results.verification import Speed, measure, verify
from search.study import Study, objective_of, open_study
from search.study.ids import confirmation_of
from search.system.files import write_atomically
from search.system.quiet import load_tensorflow
from search.system.wording import rounded
from search.terminal import make_console
from search.terminal.exports import measured_table, verified_table
from search.trial.checkpoint import weights_file

if TYPE_CHECKING:
    import keras

SIZES = ("fixed", "dynamic")


@dataclass(frozen=True)
class ExportOptions:
    """What is exported, and how.

    Attributes:
        formats: comma-separated names of `EXPORTERS`, or "all".
        output: what the models give.
        size: "fixed", the size that the network was trained at, or "dynamic".
        overwrite: whether what is in the way is replaced.
        benchmark: whether the models' speed is measured.
    """

    formats: str = DEFAULT_FORMATS
    output: str = "probabilities"
    size: str = "fixed"
    overwrite: bool = False
    benchmark: bool = False

    def exporters(self) -> dict[str, Exporter]:
        """The exporters by name. Raises UserError where an option is wrong, or they cannot do what is asked."""
        for option, given, allowed in (("--output", self.output, get_args(Output)), ("--size", self.size, SIZES)):
            if given not in allowed:
                raise UserError(f"{option}: given {given!r}; allowed are {', '.join(allowed)}.")
        exporters = {name: load_exporter(name) for name in _parse_formats(self.formats)}
        fixed = [name for name, exporter in exporters.items() if not exporter.any_size]
        if self.size == "dynamic" and fixed:
            raise UserError(
                f"--size dynamic: {', '.join(fixed)} cannot take images of any size, because LiteRT plans its memory "
                "for one size. Leave these formats out, or export them with --size fixed."
            )
        return exporters


def export_study(folder: Path, options: ExportOptions, *, trial_id: str | None, target: Path | None) -> None:
    """Export a trial's network at its best epoch.

    Args:
        folder: the study folder.
        options: what is exported.
        trial_id: None for the best.
        target: where to; None for `export/` in the study.

    Raises:
        UserError: unknown format or trial, no checkpoint, or the target holds something else.
        Incomplete: a model does not answer as the study's own.
    """
    exporters = options.exporters()
    study = open_study(folder)
    target = target or study.folder / "export"
    for exporter in exporters.values():
        # Before TensorFlow is loaded and anything is written.
        check_target(exporter, target)
    load_tensorflow()
    _refuse(_export(study, trained_trial(study, trial_id), exporters, target, options, make_console()))


def export_front(folder: Path, options: ExportOptions, *, target: Path | None) -> None:
    """Export every trial that no other one beats in score at as few MACs, each into a folder of its name.

    Args:
        folder: the study folder.
        options: what is exported.
        target: where these folders go; None for `export/` in the study.

    Raises:
        UserError: unknown format, no completed trial, or a target holds something else.
        Incomplete: a model does not answer as the study's own.
    """
    exporters = options.exporters()
    study = open_study(folder)
    target, front = target or study.folder / "export", front_of(study)
    for exporter, row in product(exporters.values(), front):
        check_target(exporter, target / row["trial_id"])
    load_tensorflow()
    console, failed = make_console(), []
    for row in front:
        trial_id = row["trial_id"]
        if weights_file(study.trial(trial_id) / "best") is None:
            console.print(f"trial {trial_id} keeps no checkpoint, and is left out", style="yellow")
            continue
        failed += _export(study, trained_trial(study, trial_id), exporters, target / trial_id, options, console)
    _refuse(failed)


def front_of(study: Study) -> list[dict[str, Any]]:
    """The rows of the trials on the Pareto front, the cheapest first. Raises UserError where none has completed."""
    sign = objective_of(study.config().study.objective).sign
    rows = [
        row
        for row in trial_rows(study)
        if row["status"] == "completed" and row["score"] is not None and confirmation_of(row["trial_id"]) is None
    ]
    if not rows:
        raise UserError(f"{study.folder}: no trial has completed yet; see deeplab-search status {study.folder}")
    return pareto_front(rows, lambda row: row["macs"], lambda row: sign * row["score"])


def _export(
    study: Study,
    trial: TrainedTrial,
    exporters: Mapping[str, Exporter],
    target: Path,
    options: ExportOptions,
    console: Console,
) -> list[str]:
    """Write a trial's network in each format, verify it, and put it in place; returns why formats were left out."""
    with console.status("opening the data"):
        data = StudyData(trial)
    dynamic = options.size == "dynamic"
    output: Any = options.output
    labels = labels_of(trial, output=output, dynamic=dynamic, mirror=data.mirror)
    outdated = check_earlier(target, labels, exporters, overwrite=options.overwrite)
    _check_images(exporters, data)
    network = load_model(study, trial)
    model = (
        network
        if not dynamic and output == "probabilities"
        else load_model(study, trial, output=output, dynamic=dynamic)
    )
    details = Details(labels_table(labels), labels_text(labels), data.to_calibrate)
    with staging(target) as staged:
        unwritten = _write(exporters, model, staged, details, console)
        written = {name: exporter for name, exporter in exporters.items() if name not in unwritten}
        with console.status("verifying"):
            scored = options.benchmark or any(exporter.tolerance is None for exporter in written.values())
            images = data.to_verify(SCORED if scored else VERIFIED)
            verification = verify(written, staged, network, images, labels)
        speeds = _measure(written, staged, images, console) if options.benchmark else {}
        exported = Exported(trial, labels, written, staged, verification, speeds)
        failed = [f"trial {trial.trial_id} cannot be written as {name}: {why}." for name, why in unwritten.items()]
        failed += _failures(exported)
        _print(console, exported, data.why_not)
        _place(study, exported, target, outdated, console)
    return failed


def _write(
    exporters: Mapping[str, Exporter], model: keras.Model, folder: Path, details: Details, console: Console
) -> dict[str, str]:
    """Write a model in each format; returns why some cannot be written."""
    unwritten = {}
    for name, exporter in exporters.items():
        try:
            with console.status(f"writing {name}"):
                exporter.write(model, folder / exporter.name, details)
        except (OSError, UserError):
            raise
        # Converters raise errors of many kinds for a network that they do not know; the other formats may do.
        except Exception as error:  # noqa: BLE001
            unwritten[name] = (str(error).strip().splitlines() or [type(error).__name__])[0]
    return unwritten


def _measure(
    exporters: Mapping[str, Exporter], folder: Path, images: StudyImages, console: Console
) -> dict[str, dict[int, Speed | None]]:
    """The speed of each model in `folder`, on one thread and on all."""
    speeds = {}
    for name, exporter in exporters.items():
        with console.status(f"measuring {name}"):
            speeds[name] = {count: measure(exporter, folder, images, count) for count in sorted({1, usable_cores()})}
    return speeds


def _check_images(exporters: Mapping[str, Exporter], data: StudyData) -> None:
    calibrated = [name for name, exporter in exporters.items() if exporter.needs_images]
    if calibrated and next(data.to_calibrate(), None) is None:
        raise UserError(
            f"--format {','.join(calibrated)}: is calibrated on the study's training images, which cannot be had here: "
            f"{data.why_not or 'there are none'}"
        )


def _failures(exported: Exported) -> list[str]:
    """A sentence for each model that does not answer as the study's network."""
    sentences = []
    for name in exported.failed:
        checked, file = exported.verification.checked[name], exported.exporters[name].name
        why = f"gave no answer ({checked.error})"
        if checked.difference is not None:
            allowed = "less than infinity" if checked.tolerance is None else f"at most {checked.tolerance:.0e}"
            why = f"differs by {checked.difference:.1e} from the study's own network; {allowed} is allowed"
        sentences.append(f"{file} of trial {exported.trial.trial_id} {why}. It was removed.")
    return sentences


def _place(study: Study, exported: Exported, target: Path, outdated: Sequence[Path], console: Console) -> None:
    """Put the models that are good in place, with their labels and their card."""
    if not exported.good:
        return
    staged = exported.folder
    write_atomically(staged / LABELS_FILE, labels_text(exported.labels))
    write_atomically(staged / CARD_FILE, card_text(study, exported))
    names = [exporter.name for exporter in exported.good.values()]
    place([staged / name for name in (*names, LABELS_FILE, CARD_FILE)], target)
    for path in outdated:
        if path.name not in names:
            remove(path)
            console.print(f"  removed {path}, which was of another export", soft_wrap=True)
    for name in (LABELS_FILE, CARD_FILE, *names):
        console.print(f"  {target / name}", soft_wrap=True)


def _print(console: Console, exported: Exported, why_no_data: str) -> None:
    trial = exported.trial
    score = "" if trial.score is None else f"  {trial.config.study.objective} {rounded(trial.score)}"
    console.print(f"trial {trial.trial_id}{score}", style="bold green")
    console.print(f"  takes  {exported.takes}")
    console.print(f"  gives  {exported.gives}")
    if why_no_data:
        console.print(f"  the study's data cannot be had here: {why_no_data}", style="yellow", soft_wrap=True)
    console.print(f"  compared with the study's network on {exported.verification.source}:")
    console.print(verified_table(exported))
    if exported.speeds:
        console.print("  one image at a time:")
        console.print(measured_table(exported))


def _refuse(failures: Sequence[str]) -> None:
    if failures:
        raise Incomplete(" ".join(failures))


def _parse_formats(formats: str) -> list[str]:
    if formats.strip() == "all":
        return list(EXPORTERS)
    names = [name.strip() for name in formats.split(",") if name.strip()]
    if not names:
        raise UserError(f"--format: given nothing; allowed are {', '.join(EXPORTERS)}.")
    # Named twice, a format is written once.
    return list(dict.fromkeys(names))
