"""One pass over a dataset: its statistics, and anything that would break or bias training."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from datasets.cores import usable_cores
from datasets.dataset import DataError, Dataset, Progress
from datasets.duplicates import find_leaks
from datasets.gathering import SplitGathering
from datasets.judgement import judge_names, judge_split
from datasets.look import Look, look_at
from datasets.statistics import DataStatistics, Problem, grouped

_CHUNK = 64
# Images of each split in which objects are told apart, which takes longer than all else.
_MEASURED = 400


class Inspection(NamedTuple):
    """The results of one pass."""

    problems: list[Problem]
    statistics: DataStatistics


def inspect_dataset(dataset: Dataset, progress: Progress | None = None) -> Inspection:
    """Read every image and mask once, in threads, and check them; memory grows by some 200 bytes an image.

    Args:
        dataset: what to read.
        progress: called with (images done, images in total).

    Returns:
        Everything that would break or bias training, errors first; and what each split contains.
    """
    problems = dataset.layout_problems()
    splits: dict[str, SplitGathering] = {}
    for split, look in _look_at_all(dataset, progress):
        if isinstance(look, Look):
            splits.setdefault(split, SplitGathering(split, dataset.class_names)).add(look)
        else:
            problems.append(look)
    statistics = DataStatistics(tuple(gathered.statistics() for gathered in splits.values()))
    for held in statistics.splits:
        problems += judge_split(held, dataset.framing)
    problems += judge_names(dataset.class_names, dataset.mirror)
    problems += find_leaks(list(splits.values()))
    return Inspection(sorted(grouped(problems), key=lambda problem: problem.severity), statistics)


def _look_at_all(dataset: Dataset, progress: Progress | None) -> Iterator[tuple[str, Look | Problem]]:
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


def _look(dataset: Dataset, split: str, index: int) -> Look | Problem:
    step = -(-dataset.length(split) // _MEASURED)
    try:
        return look_at(dataset, split, index, objects=index % step == 0)
    except DataError as error:
        return Problem("error", str(error), error.path, error.kind)
