"""Whether classes occur in a split."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from datasets.dataset import Dataset
from datasets.images import resize_mask


def occurs(dataset: Dataset, split: str, classes: Collection[int]) -> bool:
    """Whether any of the class ids occurs in the masks of a split at the size for training, where small objects vanish.

    Masks are read up to the first in which one does.

    Raises:
        DataError: a mask or its image cannot be read.
    """
    masks = (dataset.read(split, index).mask for index in range(dataset.length(split)))
    return any(np.isin(resize_mask(mask, dataset.image_size), list(classes)).any() for mask in masks)
