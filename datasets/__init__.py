"""Readers, checks and the input pipeline. Importing this package does not import TensorFlow."""

from __future__ import annotations

from datasets.dataset import DataError, Dataset, Sample
from datasets.formats import FORMATS, open_dataset
from datasets.images import read_image, resize_image, resize_mask
from datasets.statistics import ClassStatistics, DataStatistics, Problem, SplitStatistics

__all__ = [
    "FORMATS",
    "ClassStatistics",
    "DataError",
    "DataStatistics",
    "Dataset",
    "Problem",
    "Sample",
    "SplitStatistics",
    "open_dataset",
    "read_image",
    "resize_image",
    "resize_mask",
]
