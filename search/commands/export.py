"""The `export` command: models that load without this project."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

from search.errors import UserError
from search.exporters import EXPORTERS, check_target, export_model, load_exporter
from search.results.labels import LABELS_FILE, labels_of, labels_text
from search.results.trained_network import TrainedTrial, load_model, trained_trial
from search.study import open_study
from search.system.files import make_folder, write_atomically
from search.system.quiet import load_tensorflow
from search.system.wording import rounded
from search.terminal import make_console


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
    model = load_model(study, trial)
    make_folder(target, "--to")
    written = [target / LABELS_FILE]
    write_atomically(written[0], labels_text(labels_of(trial)))
    written += [export_model(exporter, model, target) for exporter in exporters]
    _say(make_console(), trial, written)


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
