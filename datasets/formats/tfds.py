"""Data sets of TensorFlow Datasets, by name."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import Field

from datasets.dataset import SPLITS, DataError, Sample, UInt8Array
from datasets.formats.classes import Labels, checked_labels
from datasets.formats.folder import SPLIT_NAMES
from datasets.formats.format import DataSettings, Format, FormatOptions
from datasets.formats.splits import check_assigned, make_splits, split_shares


class TfdsOptions(FormatOptions):
    """Where data sets are kept, and what their masks mean."""

    data_dir: str | None = Field(default=None, description="Where data sets are kept. None: where TFDS keeps them.")
    first_id: int | None = Field(default=None, ge=0, le=255, description="The value of class 0 in masks. None: 0.")
    names: list[str] | None = Field(default=None, description="Names of the classes in id order.")


class TfdsDataset(Format):
    """Data sets of TensorFlow Datasets, which are downloaded and prepared when they are first used.

    They need the features `image` and `segmentation_mask`. Values below `first_id` are ignored.

    Args:
        settings: `path` is the name, such as "oxford_iiit_pet" or "name/config:1.0.0".
        data_dir: where data sets are kept.
        first_id: the value of class 0 in masks.
        names: of the classes; otherwise `settings.classes` is needed.

    Raises:
        DataError: there is no such data set, it cannot be prepared, or it has no masks.
    """

    options = TfdsOptions

    def __init__(
        self,
        settings: DataSettings,
        *,
        data_dir: str | None = None,
        first_id: int = 0,
        names: Sequence[str] | None = None,
    ) -> None:
        if settings.mask_suffix or settings.reading.orientation or settings.reading.value_range:
            raise DataError("[data] mask_suffix, orientation and value_range are not for format = 'tfds'.")
        super().__init__(settings, _labels(settings, names))
        self._name = settings.path.as_posix()
        self._first = first_id
        self._builder = _prepared(self._name, data_dir)
        self._sources = self._open_sources()
        self._assigned: dict[str, str] | None = None
        self._places = self._in_splits(settings)

    def length(self, split: str) -> int:
        """Number of images in `split`."""
        return len(self._places.get(split, ()))

    def read(self, split: str, index: int) -> Sample:
        """The image and mask at `index` of `split`.

        Raises:
            DataError: the mask holds an unknown value, or the image another number of channels.
            IndexError: `split` has no image at `index`.
        """
        self.check_index(split, index)
        source, place = self._places[split][index]
        element = self._sources[source][place]
        image = np.asarray(element["image"], np.uint8)
        if image.shape[-1] != self.channels:
            raise DataError(
                f"Images of {self._name} have {image.shape[-1]} channels, and [data] channels is {self.channels}.",
                kind="image of another number of channels",
            )
        return Sample(image, self._mask(element, f"{source}[{place}]"), _sample_name(source, place))

    def assigned_splits(self) -> dict[str, str] | None:
        """The split of each sample that was dealt out, by name."""
        return self._assigned

    def fingerprint(self) -> str:
        """A short hash of the data set's version, its sizes, and how it is split and read."""
        sizes = {name: (info.num_examples, info.num_bytes) for name, info in self._builder.info.splits.items()}
        places = {split: tuple(found) for split, found in self._places.items()}
        content = (self._builder.info.full_name, sizes, places, self._first, self.class_names, self.ignore_index)
        return hashlib.sha256(repr(content).encode()).hexdigest()[:16]

    def _mask(self, element: Mapping[str, Any], where: str) -> UInt8Array:
        values = np.asarray(element["segmentation_mask"])[..., 0].astype(np.int64)
        ids = np.where(values < self._first, self.ignore_index, values - self._first)
        unknown = (ids >= len(self.class_names)) & (ids != self.ignore_index)
        if unknown.any():
            raise DataError(
                f"The mask of {self._name}, {where}, holds {values[unknown][0]}; expected {self._first} to "
                f"{self._first + len(self.class_names) - 1}. Set [data] classes, names or first_id.",
                kind="mask of unknown values",
            )
        return ids.astype(np.uint8)

    def _open_sources(self) -> dict[str, Any]:
        available = self._builder.info.splits
        found = {split: next((name for name in SPLIT_NAMES[split] if name in available), None) for split in SPLITS}
        missing = {"image", "segmentation_mask"} - set(self._builder.info.features)
        if missing:
            raise DataError(
                f"{self._name} has no {' and no '.join(sorted(missing))}; its features are "
                f"{', '.join(self._builder.info.features)}."
            )
        return {split: self._builder.as_data_source(split=name) for split, name in found.items() if name is not None}

    def _in_splits(self, settings: DataSettings) -> dict[str, list[tuple[str, int]]]:
        """The place of each sample of each split."""
        given = {split: [(split, place) for place in range(len(source))] for split, source in self._sources.items()}
        if settings.split is None:
            missing = [split for split in SPLITS[:2] if split not in given]
            if missing:
                raise DataError(f"{self._name} has no split {missing[0]}; set [data] split = {{ val = 0.2 }}.")
            return given
        clashing = sorted((split_shares(settings.split).keys() - {"train"}) & given.keys())
        if clashing:
            raise DataError(f"{self._name} has a split {clashing[0]} already; leave it out of [data] split.")
        train = {_sample_name(*place): place for place in given.pop("train", [])}
        assigned = settings.assigned
        if assigned is None:
            assigned = make_splits(list(train), settings.split, self._held, progress=settings.progress)
        check_assigned(assigned, list(train), self._name)
        self._assigned = dict(assigned)
        made = {
            split: [train[name] for name in train if assigned[name] == split] for split in split_shares(settings.split)
        }
        return {**given, **made}

    def _held(self, place: int) -> npt.NDArray[np.bool_]:
        ids = self._mask(self._sources["train"][place], f"train[{place}]")
        return np.bincount(ids.ravel(), minlength=256)[: len(self.class_names)] > 0


def _sample_name(source: str, place: int) -> str:
    return f"{source}_{place:06d}"


def _labels(settings: DataSettings, names: Sequence[str] | None) -> Labels:
    if names is None and settings.classes is None:
        raise DataError("The number of classes is unknown: set [data] classes (binary: 1), or names.")
    if names is None:
        classes = settings.classes or 1
        names = ("background", "object") if classes == 1 else [f"class_{index}" for index in range(classes)]
    return checked_labels(names, settings.classes, settings.ignore_index, settings.path)


def _prepared(name: str, data_dir: str | None) -> Any:
    try:
        # Here, so that the format has its line in tables also where the package is not installed.
        import tensorflow_datasets
    except ModuleNotFoundError as error:
        raise DataError(
            f"format = 'tfds' needs the package {error.name}, which is not installed: pip install -e '.[tfds]'."
        ) from error
    try:
        # A file format whose elements can be read in any order.
        builder = tensorflow_datasets.builder(name, data_dir=data_dir, file_format="array_record")
        builder.download_and_prepare()
    except Exception as error:  # of many kinds, from names to downloads
        raise DataError(
            f"Cannot prepare the data set {name!r} of TensorFlow Datasets: {error}. Expected a name such as "
            '"oxford_iiit_pet", in data_dir or to be downloaded.'
        ) from error
    return builder
