"""Whether, and how often, classes occur in a split as it is trained."""

from __future__ import annotations

from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from datasets.cores import usable_cores
from datasets.dataset import Dataset

_CHUNK = 64


def occurs(dataset: Dataset, split: str, classes: Collection[int]) -> bool:
    """Whether any of the class ids occurs in a split's masks as they are trained, where small objects may be gone.

    Masks are read up to the first in which one does.

    Raises:
        DataError: a mask or its image cannot be read.
    """
    masks = (dataset.read_framed(split, index).mask for index in range(dataset.length(split)))
    return any(np.isin(mask, list(classes)).any() for mask in masks)


def class_pixels(dataset: Dataset, split: str) -> tuple[int, ...]:
    """Pixels of each class in a split's masks as they are trained, in the order of the class names.

    Raises:
        DataError: a mask or its image cannot be read.
    """
    count = len(dataset.class_names)

    def counted(index: int) -> np.ndarray:
        return np.bincount(dataset.read_framed(split, index).mask.ravel(), minlength=256)

    total, images = np.zeros(256, np.int64), dataset.length(split)
    with ThreadPoolExecutor(usable_cores()) as pool:
        # In chunks, so that not all of them are in the queue.
        for start in range(0, images, _CHUNK):
            total += sum(pool.map(counted, range(start, min(images, start + _CHUNK))))
    return tuple(total[:count].tolist())
