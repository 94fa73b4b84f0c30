"""What a trial keeps of its best epoch besides the weights: the confusion of every validation image, and pictures.

Written to `best/epoch_0004.npz` before the checkpoint of that epoch, so that after a kill at any moment,
the file of the best epoch that the state names exists.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from search.system.files import write_atomically

# Images that every trial shows, so that trials can be compared.
FIXED_PICTURES = 4
# Images with the best scores that are shown, and as many with the worst.
EXTREME_PICTURES = 3

Counts = npt.NDArray[np.int64]
UInt8Array = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Validation:
    """One pass over the validation split, or over the test split.

    Attributes:
        loss: mean over the labelled pixels; NaN where it was not computed.
        matrix: `[C, C]`, pixels of true class (row) predicted as class (column).
        hits, truth, predicted: `[N, C]`, pixels of each image that are correct, labelled and predicted, by class.
    """

    loss: float
    matrix: Counts
    hits: Counts
    truth: Counts
    predicted: Counts

    def image_scores(self) -> npt.NDArray[np.float64]:
        """Mean IoU of each image over the classes that occur in it, `[N]`; NaN if no pixel is labelled."""
        return _image_scores(self.hits, self.truth, self.predicted)


class ValidationPass:
    """Gathers a pass over the validation split, batch by batch, in file order.

    Only predictions that may be shown in the end are kept, so that no image needs to be predicted a second time.

    Attributes:
        predictions: class ids `[H, W]` by image index: of the fixed images, and of the best and worst so far.
    """

    def __init__(self, images: int) -> None:
        self.predictions: dict[int, UInt8Array] = {}
        self._fixed = fixed_images(images)
        self._loss = 0.0
        self._counts: list[Counts] = []
        self._scores: list[float] = []

    def add(self, loss: float, counts: Counts, predictions: UInt8Array) -> None:
        """Add a batch: its mean loss per labelled pixel, each image's confusion `[B, C, C]`, class ids `[B, H, W]`."""
        first = len(self._scores)
        # The loss is a mean over labelled pixels, which are exactly those that the confusion counts.
        self._loss += loss * int(counts.sum())
        self._counts.append(counts)
        self._scores.extend(_image_scores(*_of_images(counts)).tolist())
        # Copied, because a view would keep its whole batch in memory.
        self.predictions |= {first + place: ids.copy() for place, ids in enumerate(predictions)}
        self._drop_predictions()

    def result(self) -> Validation:
        """The result over all batches."""
        counts = np.concatenate(self._counts)
        return counts_of_images(self._loss / max(1, int(counts.sum())), counts)

    def _drop_predictions(self) -> None:
        ranked = _best_first(self.predictions, self._scores)
        shown = {*self._fixed, *ranked[:EXTREME_PICTURES], *ranked[-EXTREME_PICTURES:]}
        self.predictions = {index: ids for index, ids in self.predictions.items() if index in shown}


@dataclass(frozen=True)
class BestEpoch:
    """A trial's validation at its best epoch, with JPEG pictures by image index."""

    validation: Validation
    pictures: Mapping[int, bytes]

    @property
    def fixed(self) -> list[int]:
        """Images that every trial of the study shows."""
        return [index for index in fixed_images(len(self.validation.hits)) if index in self.pictures]

    @property
    def extremes(self) -> tuple[list[int], list[int]]:
        """Indices of the images with the best scores, the best first, and with the worst, the worst first."""
        return extreme_images(self.validation)


def fixed_images(images: int) -> list[int]:
    """Indices of the images that every trial shows: evenly spread over the validation split."""
    return sorted({round(place) for place in np.linspace(0, images - 1, min(FIXED_PICTURES, images))})


def extreme_images(validation: Validation) -> tuple[list[int], list[int]]:
    """Indices of the images with the best and the worst scores; no image is in both."""
    scores = validation.image_scores()
    order = _best_first(range(len(scores)), scores)
    # At most half of the images each, so that none is both among the best and among the worst.
    count = min(EXTREME_PICTURES, len(order) // 2)
    return order[:count], order[::-1][:count]


def counts_of_images(loss: float, counts: Counts) -> Validation:
    """What the confusion matrices of all images `[N, C, C]` say."""
    return Validation(loss, counts.sum(axis=0), *_of_images(counts))


def write_best_epoch(folder: Path, epoch: int, best: BestEpoch) -> None:
    """Write the file of one epoch into a trial's `best/`, next to that of the best epoch before it."""
    folder.mkdir(parents=True, exist_ok=True)
    write_counts(folder / _name(epoch), best.validation, best.pictures)


def read_best_epoch(folder: Path, epoch: int | None) -> BestEpoch | None:
    """The file of one epoch in a trial's `best/`; None if it is missing or damaged."""
    return _read(folder / _name(epoch or 0))


def write_counts(path: Path, validation: Validation, pictures: Mapping[int, bytes] = MappingProxyType({})) -> None:
    """Write a pass over a split to a file, with JPEG pictures by image index."""
    arrays: dict[str, npt.NDArray[np.generic]] = {
        "loss": np.array([validation.loss]),
        **{name: getattr(validation, name) for name in ("matrix", "hits", "truth", "predicted")},
        **{f"picture_{index}": np.frombuffer(jpeg, np.uint8) for index, jpeg in pictures.items()},
    }
    content = io.BytesIO()
    np.savez_compressed(content, allow_pickle=False, **arrays)
    write_atomically(path, content.getvalue())


def read_counts(path: Path) -> Validation | None:
    """The pass over a split that a file holds; None if it is missing or damaged."""
    found = _read(path)
    return None if found is None else found.validation


def _read(path: Path) -> BestEpoch | None:
    try:
        # Read from memory, because numpy leaves a damaged file open.
        with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as file:
            arrays = dict(file.items())
        counts = (arrays[name] for name in ("matrix", "hits", "truth", "predicted"))
        pictures = {
            int(name.removeprefix("picture_")): array.tobytes()
            for name, array in arrays.items()
            if name.startswith("picture_")
        }
        return BestEpoch(Validation(float(arrays["loss"][0]), *counts), pictures)
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None


def drop_other_epochs(folder: Path, epoch: int) -> None:
    """Remove the files of earlier best epochs."""
    for path in folder.glob("epoch_*.npz"):
        if path.name != _name(epoch):
            path.unlink(missing_ok=True)


def _best_first(images: Iterable[int], scores: Sequence[float] | npt.NDArray[np.float64]) -> list[int]:
    """The images that have a score, sorted by it; of equals, the first in file order comes first."""
    return sorted((index for index in images if np.isfinite(scores[index])), key=lambda index: (-scores[index], index))


def _of_images(counts: Counts) -> tuple[Counts, Counts, Counts]:
    """Hits, truth and predicted `[N, C]` of confusion matrices `[N, C, C]`."""
    return np.diagonal(counts, axis1=1, axis2=2), counts.sum(axis=2), counts.sum(axis=1)


def _image_scores(hits: Counts, truth: Counts, predicted: Counts) -> npt.NDArray[np.float64]:
    union = truth + predicted - hits
    occurs = truth > 0
    iou = np.where(occurs, hits / np.maximum(union, 1), 0.0)
    count = occurs.sum(axis=1)
    return np.where(count > 0, iou.sum(axis=1) / np.maximum(count, 1), np.nan)


def _name(epoch: int) -> str:
    return f"epoch_{epoch:04d}.npz"
