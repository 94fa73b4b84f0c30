"""The `export` command: models that load without this project."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import Any

from rich.console import Console

from search.errors import UserError
from search.exporters import EXPORTERS, Exporter, check_target, export_model, load_exporter
from search.results import trial_rows
from search.results.front import pareto_front
from search.results.labels import LABELS_FILE, labels_of, labels_text
from search.results.trained_network import TrainedTrial, load_model, trained_trial
from search.study import Study, objective_of, open_study
from search.study.ids import confirmation_of
from search.system.files import make_folder, write_atomically
from search.system.quiet import load_tensorflow
from search.system.wording import rounded
from search.terminal import make_console
from search.trial.checkpoint import weights_file


def export_study(folder: Path, *, trial_id: str | None, formats: str, target: Path | None) -> None:
    """Export a trial's network at its best epoch.

    Args:
        folder: the study folder.
        trial_id: None for the best.
        formats: comma-separated names of `EXPORTERS`.
        target: where to; None for `export/` in the study.

    Raises:
        UserError: unknown format or trial, no checkpoint, or the target holds something else.
    """
    exporters = [load_exporter(name) for name in _parse_formats(formats)]
    study = open_study(folder)
    target = target or study.folder / "export"
    for exporter in exporters:
        # Before TensorFlow is loaded and anything is written.
        check_target(exporter, target)
    load_tensorflow()
    trial = trained_trial(study, trial_id)
    _say(make_console(), trial, _export(study, trial, exporters, target))


def export_front(folder: Path, *, formats: str, target: Path | None) -> None:
    """Export every trial that no other one beats in score at as few MACs, each into a folder of its name.

    Args:
        folder: the study folder.
        formats: comma-separated names of `EXPORTERS`.
        target: where these folders go; None for `export/` in the study.

    Raises:
        UserError: unknown format, no completed trial, or a target holds something else.
    """
    exporters = [load_exporter(name) for name in _parse_formats(formats)]
    study = open_study(folder)
    target, front = target or study.folder / "export", front_of(study)
    for exporter, row in product(exporters, front):
        check_target(exporter, target / row["trial_id"])
    load_tensorflow()
    console = make_console()
    for row in front:
        trial_id = row["trial_id"]
        if weights_file(study.trial(trial_id) / "best") is None:
            console.print(f"trial {trial_id} keeps no checkpoint, and is left out", style="yellow")
            continue
        trial = trained_trial(study, trial_id)
        _say(console, trial, _export(study, trial, exporters, target / trial_id))


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


def _export(study: Study, trial: TrainedTrial, exporters: Sequence[Exporter], target: Path) -> list[Path]:
    """Write a trial's network in each format, with its labels; returns the files."""
    model = load_model(study, trial)
    make_folder(target, "--to")
    labels = target / LABELS_FILE
    write_atomically(labels, labels_text(labels_of(trial)))
    return [labels, *(export_model(exporter, model, target) for exporter in exporters)]


def _say(console: Console, trial: TrainedTrial, written: list[Path]) -> None:
    height, width = trial.config.data.image_size
    score = "" if trial.score is None else f"  {trial.config.study.objective} {rounded(trial.score)}"
    console.print(f"trial {trial.trial_id}{score}", style="bold green")
    channels = trial.config.data.channels
    kind = "RGB images" if channels == 3 else "images"
    console.print(f"  takes  {kind}, 0-255, [batch, {height}, {width}, {channels}]")
    console.print(f"  gives  probabilities, [batch, {height}, {width}, {trial.outputs}]")
    for path in written:
        console.print(f"  {path}", soft_wrap=True)


def _parse_formats(formats: str) -> list[str]:
    names = [name.strip() for name in formats.split(",") if name.strip()]
    if not names:
        raise UserError(f"--format: given nothing; allowed are {', '.join(EXPORTERS)}.")
    # Named twice, a format is written once.
    return list(dict.fromkeys(names))
