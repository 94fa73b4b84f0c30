"""One pass over a dataset: its statistics, and anything that would break or bias training."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from datasets.cores import usable_cores
from datasets.dataset import DataError, Dataset, Progress
from datasets.statistics import ClassStatistics, DataStatistics, Problem, SplitStatistics

_FEW_IMAGES = {"train": 20, "val": 10}
_RARE_SHARE = 0.005
_DOMINANT_SHARE = 0.9
_MUCH_IGNORED = 0.5
_FAR_SMALLER = 0.5
_ASPECT_CHANGE = 1.5
# A few images of odd sizes among many do not bias training.
_ODD_SHARE = 0.05
_CHUNK = 64


class Inspection(NamedTuple):
    """The results of one pass."""

    problems: list[Problem]
    statistics: DataStatistics


class _Look(NamedTuple):
    """What is kept of one image: counts of each value in its mask [256], its size, and a hash of its pixels."""

    name: str
    counts: npt.NDArray[np.int64]
    size: tuple[int, int]
    digest: bytes


def inspect_dataset(dataset: Dataset, progress: Progress | None = None) -> Inspection:
    """Read every image and mask once, in threads, and check them.

    Args:
        dataset: what to read.
        progress: called with (images done, images in total).

    Returns:
        Everything that would break or bias training, errors first; and what each split contains.
    """
    problems = dataset.layout_problems()
    looks: dict[str, list[_Look]] = {}
    for split, look in _look_at_all(dataset, progress):
        if isinstance(look, _Look):
            looks.setdefault(split, []).append(look)
        else:
            problems.append(look)
    statistics = DataStatistics(tuple(_split_statistics(dataset, split, looks[split]) for split in looks))
    for held in statistics.splits:
        problems += _judge_amount(held)
        problems += _judge_classes(held)
        problems += _judge_sizes(held, dataset.image_size)
    problems += _find_leaks(looks)
    return Inspection(sorted(problems, key=lambda problem: problem.severity), statistics)


def _look_at_all(dataset: Dataset, progress: Progress | None) -> Iterator[tuple[str, _Look | Problem]]:
    places = [(split, index) for split in dataset.splits for index in range(dataset.length(split))]
    with ThreadPoolExecutor(usable_cores()) as pool:
        # In chunks, so that an interruption does not have to wait for everything in the queue.
        for start in range(0, len(places), _CHUNK):
            chunk = places[start : start + _CHUNK]
            looks = pool.map(lambda place: _look(dataset, *place), chunk)
            for done, ((split, _), look) in enumerate(zip(chunk, looks, strict=True), start + 1):
                if progress is not None:
                    progress(done, len(places))
                yield split, look


def _look(dataset: Dataset, split: str, index: int) -> _Look | Problem:
    try:
        image, mask, name = dataset.read(split, index)
    except DataError as error:
        return Problem("error", str(error), error.path)
    digest = hashlib.blake2b(np.ascontiguousarray(image).data, digest_size=16).digest()
    return _Look(name, np.bincount(mask.ravel(), minlength=256), (mask.shape[0], mask.shape[1]), digest)


def _split_statistics(dataset: Dataset, split: str, looks: list[_Look]) -> SplitStatistics:
    counts = np.stack([look.counts for look in looks])
    pixels = counts.sum(axis=0)
    labelled = int(pixels[: len(dataset.class_names)].sum())
    classes = tuple(
        ClassStatistics(
            name=name,
            pixels=int(pixels[index]),
            share=int(pixels[index]) / max(1, labelled),
            images=int((counts[:, index] > 0).sum()),
        )
        for index, name in enumerate(dataset.class_names)
    )
    sizes = Counter(look.size for look in looks).most_common()
    return SplitStatistics(split, len(looks), tuple(sizes), 1 - labelled / int(pixels.sum()), classes)


def _judge_amount(split: SplitStatistics) -> Iterator[Problem]:
    few = _FEW_IMAGES.get(split.split, 0)
    if split.images < few:
        why = {
            "train": "expect overfitting; label more, or augment strongly.",
            "val": "scores will depend on single images, and a search may choose by chance; move some images from "
            "train.",
        }
        count = f"{split.images} image{'s' if split.images > 1 else ''}"
        yield Problem("warning", f"{split.split} has only {count}: {why[split.split]}")
    if split.ignored_share > _MUCH_IGNORED:
        yield Problem(
            "warning",
            f"{split.ignored_share:.0%} of the pixels of {split.split} are ignored: little is learned from each image. "
            "Check that ignore_index is correct.",
        )


def _judge_classes(split: SplitStatistics) -> Iterator[Problem]:
    missing = [label.name for label in split.classes if not label.pixels]
    if missing:
        effect = {"train": "it can't be learned", "val": "its score can't be measured"}.get(
            split.split, "its score can't be measured"
        )
        yield Problem("warning", f"{split.split} contains no pixels of {_listed(missing)}: {effect}.")
    rare = [label for label in split.classes if 0 < label.share < _RARE_SHARE]
    if rare and split.split == "train":
        shares = _listed([f"{label.name} ({label.share:.2%}, in {label.images} images)" for label in rare])
        yield Problem(
            "warning",
            f"Rare classes in train: {shares}. Pixel accuracy will hide them; compare by mean IoU, and expect that "
            "they need a class-weighted loss.",
        )

    dominant = next((label for label in split.classes if label.share > _DOMINANT_SHARE), None)
    if dominant and split.split == "train":
        yield Problem(
            "warning",
            f"{dominant.share:.0%} of the pixels of train are {dominant.name}: a network that predicts nothing else "
            f"reaches that pixel accuracy. Compare by mean IoU.",
        )


def _judge_sizes(split: SplitStatistics, image_size: tuple[int, int]) -> Iterator[Problem]:
    height, width = image_size
    small = [(size, count) for size, count in split.sizes if min(size[0] / height, size[1] / width) < _FAR_SMALLER]
    stretched = [(size, count) for size, count in split.sizes if _stretch(size, image_size) >= _ASPECT_CHANGE]
    if _count(small) > _ODD_SHARE * split.images:
        yield Problem(
            "warning",
            f"{_count(small)} of {split.images} images of {split.split} are less than half of image_size "
            f"{height}x{width} (such as {small[0][0][0]}x{small[0][0][1]}): they are enlarged, at the cost of a larger "
            "network input. Consider a smaller image_size.",
        )
    if _count(stretched) > _ODD_SHARE * split.images:
        yield Problem(
            "warning",
            f"{_count(stretched)} of {split.images} images of {split.split} are stretched {_ASPECT_CHANGE} times or "
            f"more by resizing to {height}x{width} (such as {stretched[0][0][0]}x{stretched[0][0][1]}, height x "
            "width). Consider an image_size with their aspect ratio.",
        )


def _find_leaks(looks: dict[str, list[_Look]]) -> Iterator[Problem]:
    """Images that occur in two splits with identical pixels."""
    names: dict[bytes, dict[str, str]] = defaultdict(dict)
    for split, split_looks in looks.items():
        for look in split_looks:
            names[look.digest].setdefault(split, look.name)
    shared = [found for found in names.values() if len(found) > 1]
    for first, second in (("train", "val"), ("train", "test"), ("val", "test")):
        both = [found for found in shared if first in found and second in found]
        if both:
            yield Problem(
                "warning",
                f"{len(both)} image{'s are' if len(both) > 1 else ' is'} in both {first} and {second} (such as "
                f"{both[0][first]} = {both[0][second]}): scores on {second} will be too good. Remove one of each pair.",
            )


def _stretch(size: tuple[int, int], image_size: tuple[int, int]) -> float:
    ratio = (size[0] / size[1]) / (image_size[0] / image_size[1])
    return max(ratio, 1 / ratio)


def _count(sizes: list[tuple[tuple[int, int], int]]) -> int:
    return sum(count for _, count in sizes)


def _listed(names: list[str], most: int = 8) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
