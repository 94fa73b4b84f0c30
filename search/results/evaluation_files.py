"""What `evaluate --to` writes: scores, the confusion matrix, a row per image, and pictures of the worst images."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from datasets import Framing
from datasets.colors import as_rgb, overlay
from deeplab.boundary import TOLERANCE
from search.results.evaluation import Evaluation, UInt8Array, image_columns
from search.results.views import Views
from search.system.csv_files import write_csv
from search.system.files import write_atomically, write_json, writing_to
from search.trial.pictures import error_map, picture_sheet

# Images of which pictures are written.
MOST_PICTURES = 12
# The longest side of one panel of a picture, in pixels.
_PANEL = 640


@dataclass(frozen=True)
class Report:
    """An evaluation with what it was made of.

    Attributes:
        model: as the user named it.
        split: of the data.
        framing: how images were brought to the model's size.
        views: the versions of each image that were averaged.
        found: the scores.
        validation: of binary data, those of the validation split, on which the threshold is chosen; None if there are
            none, or if `split` is itself the validation split.
    """

    model: str
    split: str
    framing: Framing
    views: Views
    found: Evaluation
    validation: Evaluation | None

    @property
    def threshold(self) -> float | None:
        """The best threshold on the validation split; None if the data are not binary or have no such split."""
        chosen = self.found if self.split == "val" else self.validation
        return None if chosen is None or not chosen.probabilities.total else chosen.probabilities.best()


class WorstImages:
    """Pictures of the images with the lowest scores so far, so that no image is predicted a second time.

    Args:
        ignore_index: the id of pixels that are neither right nor wrong.
    """

    def __init__(self, ignore_index: int) -> None:
        self._ignore_index = ignore_index
        self._pictures: dict[tuple[float, int], bytes] = {}

    def offer(self, index: int, score: float, image: UInt8Array, truth: UInt8Array, predicted: UInt8Array) -> None:
        """Draw an image if it is one of the worst: `image` is `[H, W, channels]`, the others class ids `[H, W]`."""
        if math.isnan(score):
            return
        if len(self._pictures) == MOST_PICTURES:
            best = max(self._pictures)
            if best <= (score, index):
                return
            del self._pictures[best]
        self._pictures[score, index] = _picture(image, truth, predicted, self._ignore_index)

    def worst_first(self) -> list[bytes]:
        """The pictures as JPEG files."""
        return [self._pictures[place] for place in sorted(self._pictures)]


def write_report(folder: Path, report: Report, worst: WorstImages) -> None:
    """Write all files into a folder that exists. Raises UserError if it cannot be written."""
    found = report.found
    with writing_to(folder, "--to"):
        write_json(folder / "scores.json", _finite(scores_table(report)))
        columns = ("true", *found.class_names)
        rows = [
            dict(zip(columns, (name, *row), strict=True))
            for name, row in zip(found.class_names, found.matrix.tolist(), strict=True)
        ]
        write_csv(folder / "confusion.csv", columns, rows)
        write_csv(folder / "images.csv", image_columns(found.class_names), found.image_rows())
        pictures = dict(enumerate(worst.worst_first(), 1))
        for rank in range(1, MOST_PICTURES + 1):
            path = folder / f"worst_{rank:02d}.jpg"
            if rank in pictures:
                write_atomically(path, pictures[rank])
            else:
                path.unlink(missing_ok=True)  # of an evaluation with more images


def scores_table(report: Report) -> dict[str, Any]:
    """The content of `scores.json`; NaN where nothing could be measured."""
    found, framing, threshold = report.found, report.framing, report.threshold
    table = {
        "model": report.model,
        "split": report.split,
        "images": len(found.names),
        "image_size": list(framing.image_size),
        "resize": framing.resize,
        "scale": framing.scale,
        "flip": report.views.flip,
        "scales": list(report.views.scales),
        **found.summary(),
        "boundary_tolerance": TOLERANCE,
        "classes": {
            row.name: {key: value for key, value in row._asdict().items() if key != "name"} for row in found.classes()
        },
    }
    if threshold is not None:
        table["threshold"] = {
            "best_on_val": threshold,
            "mean_iou_at_best": found.probabilities.mean_iou(threshold),
            "mean_iou_at_half": found.probabilities.mean_iou(0.5),
        }
    return table


def _picture(image: UInt8Array, truth: UInt8Array, predicted: UInt8Array, ignore_index: int) -> bytes:
    """An image, its truth and prediction laid over it, and the errors, side by side."""
    image, truth, predicted = (_reduced(array) for array in (as_rgb(image), truth, predicted))
    panels = {
        "image": image,
        "truth": overlay(image, truth, ignore_index=ignore_index),
        "prediction": overlay(image, predicted, ignore_index=ignore_index),
        "error": error_map(truth, predicted, ignore_index),
    }
    return picture_sheet(panels, _PANEL)


def _reduced(pixels: UInt8Array) -> UInt8Array:
    """Every n-th pixel of an image far larger than a panel, so that a picture of it needs little memory."""
    step = max(1, max(pixels.shape[:2]) // (2 * _PANEL))
    return pixels[::step, ::step]


def _finite(value: Any) -> Any:
    """`value` with None in place of NaN, which JSON does not have."""
    if isinstance(value, dict):
        return {key: _finite(entry) for key, entry in value.items()}
    return None if isinstance(value, float) and math.isnan(value) else value
