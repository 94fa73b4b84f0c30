"""Readers, checks and the input pipeline. Importing this package does not import TensorFlow."""

from __future__ import annotations

from datasets.check import Inspection, inspect_dataset
from datasets.dataset import DataError, Dataset, Sample
from datasets.formats import FORMATS, load_format, open_dataset
from datasets.formats.format import DataSettings, Format, FormatOptions
from datasets.images import read_image, resize_image, resize_mask
from datasets.occurrence import occurs
from datasets.statistics import ClassStatistics, DataStatistics, Problem, SplitStatistics

__all__ = [
    "FORMATS",
    "ClassStatistics",
    "DataError",
    "DataSettings",
    "DataStatistics",
    "Dataset",
    "Format",
    "FormatOptions",
    "Inspection",
    "Problem",
    "Sample",
    "SplitStatistics",
    "inspect_dataset",
    "load_format",
    "occurs",
    "open_dataset",
    "read_image",
    "resize_image",
    "resize_mask",
]
