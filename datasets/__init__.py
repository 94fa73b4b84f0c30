"""Readers, checks and the input pipeline. Importing this package does not import TensorFlow."""

from __future__ import annotations

from datasets.check import Inspection, inspect_dataset
from datasets.dataset import DataError, Dataset, Sample
from datasets.formats import FORMATS, load_format, open_dataset, recognize_format
from datasets.formats.format import DataSettings, Format, FormatOptions, SplitSettings
from datasets.framing import Framing, Resize
from datasets.images import IMAGE_SUFFIXES, ImageReading, Orientation, read_image
from datasets.occurrence import class_pixels, occurs
from datasets.resizing import resize_image, resize_mask
from datasets.statistics import ClassStatistics, DataStatistics, Problem, SplitStatistics

__all__ = [
    "FORMATS",
    "IMAGE_SUFFIXES",
    "ClassStatistics",
    "DataError",
    "DataSettings",
    "DataStatistics",
    "Dataset",
    "Format",
    "FormatOptions",
    "Framing",
    "ImageReading",
    "Inspection",
    "Orientation",
    "Problem",
    "Resize",
    "Sample",
    "SplitSettings",
    "SplitStatistics",
    "class_pixels",
    "inspect_dataset",
    "load_format",
    "occurs",
    "open_dataset",
    "read_image",
    "recognize_format",
    "resize_image",
    "resize_mask",
]
