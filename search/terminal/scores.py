"""The scores of an evaluation, as tables."""

from __future__ import annotations

import numpy as np
from rich.console import Console
from rich.table import Table

from deeplab.boundary import TOLERANCE
from search.results.evaluation import Evaluation
from search.results.evaluation_files import Report
from search.system.wording import cell, listed, plural, rounded
from search.terminal.layout import plain_table

# Images that are listed, and classes up to which the confusion matrix fits on a screen.
MOST_IMAGES = 5
MOST_CLASSES = 12
MOST_CONFUSIONS = 8


def print_scores(console: Console, report: Report) -> None:
    """Print the scores of each class and of all, the confusion matrix, and the worst images."""
    found = report.found
    console.print(
        f"{report.model} · {report.split}, {plural(len(found.names), 'image')} at their own size", style="bold"
    )
    console.print(_how(report), style="dim", soft_wrap=True)
    for table in (class_table(found), confusion_table(found), worst_table(found)):
        console.print()
        console.print(table)
    console.print()
    for line in _summary_lines(report):
        console.print(line, soft_wrap=True)


def class_table(found: Evaluation) -> Table:
    """The scores of each class, and their means."""
    table = plain_table("class", numbers=("IoU", "Dice", "boundary F", "pixels"))
    for index, row in enumerate(found.classes()):
        scores = (_score(value) for value in (row.iou, row.dice, row.boundary_f))
        table.add_row(f"{index} {row.name}", *scores, f"{100 * row.share:.2f} %")
    summary = found.summary()
    means = (summary[name] for name in ("mean_iou", "mean_dice", "mean_boundary_f"))
    table.add_section()
    table.add_row("mean", *map(_score, means), "", style="bold")
    return table


def confusion_table(found: Evaluation) -> Table:
    """How the pixels of each true class are predicted, in percent; of many classes, the most frequent mistakes."""
    shares = 100 * found.matrix / found.matrix.sum(axis=1, keepdims=True).clip(1)
    names = found.class_names
    if len(names) <= MOST_CLASSES:
        table = plain_table("true \\ predicted, %", numbers=[str(index) for index in range(len(names))])
        for index, name in enumerate(names):
            table.add_row(f"{index} {name}", *(f"{share:.1f}" for share in shares[index]))
        return table
    table = plain_table("true class", "predicted as", numbers=("of its pixels",))
    mistakes = [(shares[true, other], true, other) for true, other in np.ndindex(shares.shape) if true != other]
    for share, true, other in sorted(mistakes, reverse=True)[:MOST_CONFUSIONS]:
        table.add_row(names[true], names[other], f"{share:.1f} %")
    return table


def worst_table(found: Evaluation) -> Table:
    """The images with the lowest scores, each with its worst class."""
    table = plain_table("worst images", "worst class", numbers=("mean IoU", "its IoU"))
    for row in found.image_rows()[:MOST_IMAGES]:
        measured = {name: row[f"iou_{name}"] for name in found.class_names if row[f"iou_{name}"] == row[f"iou_{name}"]}
        if measured:
            worst = min(measured, key=lambda name: measured[name])
            table.add_row(row["name"], worst, _score(row["mean_iou"]), _score(measured[worst]))
    return table


def _how(report: Report) -> str:
    """How the images were predicted."""
    framing, views = report.framing, report.views
    size = "x".join(map(str, framing.image_size))
    how = {"stretch": f"stretched to {size}", "pad": f"padded to {size}", "crop": f"in tiles of {size}"}[framing.resize]
    if framing.resize == "crop" and framing.scale != 1:
        how += f" at scale {cell(framing.scale)}"
    if views.flip:
        how += ", and mirrored"
    return how + (f", at scales {listed([cell(scale) for scale in views.scales], 9)}" if views.scales != (1.0,) else "")


def _summary_lines(report: Report) -> list[str]:
    found, threshold = report.found, report.threshold
    accuracy, share = _score(found.summary()["pixel_accuracy"]), f"{100 * TOLERANCE:g} %"
    lines = [f"pixel accuracy {accuracy}; an outline is met within {share} of the image's diagonal"]
    if threshold is None:
        return lines
    half, best = (_score(found.probabilities.mean_iou(value)) for value in (0.5, threshold))
    if report.validation is None:
        return [*lines, f"best threshold {threshold:.3f}: mean IoU {best}, {half} at 0.5"]
    on_val = _score(report.validation.probabilities.mean_iou(threshold))
    chosen = f"best threshold on val {threshold:.3f} (mean IoU {on_val} there)"
    return [*lines, f"{chosen}: on {report.split} mean IoU {best} with it, {half} with 0.5"]


def _score(value: float) -> str:
    """A score, empty where nothing could be measured."""
    return rounded(value) if value == value else ""
