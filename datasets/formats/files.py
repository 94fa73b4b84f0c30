"""Data in files: pairs of an image file and a mask file in splits, read in one way whatever lists them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from datasets.dataset import DataError, Sample
from datasets.formats.alignment import aligned
from datasets.formats.classes import Labels
from datasets.formats.format import DataSettings, Format, SplitSettings
from datasets.formats.masks import Mask, MaskReader
from datasets.formats.splits import UNSPLIT, check_assigned, make_splits, split_shares
from datasets.images import read_raw
from datasets.statistics import Problem, grouped

_TAIL_BYTES = 4096
_MOST_LISTED = 10


class FilePair(NamedTuple):
    """An image and its mask.

    Attributes:
        name: what a user would call the sample.
        image: its file.
        mask: its file.
        group: of the samples that belong into one split; "" where the name tells.
    """

    name: str
    image: Path
    mask: Path
    group: str = ""


class FileFormat(Format):
    """A format whose samples are pairs of files.

    Args:
        settings: what every format is opened with.
        labels: what the values of the masks mean.
        pairs: the samples of each split, or of `UNSPLIT`, in the order in which they are read.
        problems: what shows without opening an image; with `settings.strict`, errors among them are raised.

    Raises:
        DataError: with `settings.strict`, for the errors among `problems`; or `settings.split` is missing, or does not
            suit the data.
    """

    def __init__(
        self,
        settings: DataSettings,
        labels: Labels,
        pairs: Mapping[str, Sequence[FilePair]],
        problems: Iterable[Problem] = (),
    ) -> None:
        super().__init__(settings, labels)
        self.path = settings.path
        self._labels = labels
        self._problems = list(problems)
        if settings.strict:
            _raise_errors(self._problems)
        self._reading = settings.reading
        self.mask_reader = MaskReader(labels, lambda: (pair.mask for listed in pairs.values() for pair in listed))
        self._assigned: dict[str, str] | None = None
        self._pairs = self._readable(pairs, settings)
        missing = [split for split in ("train", "val") if not self.length(split)]
        if settings.strict and missing:
            raise DataError(
                f"The data in {self.path} have no images of {' and '.join(missing)}; add some, or take val out of "
                "train: set [data] split = { val = 0.2 }.",
                self.path,
            )

    def read_mask(self, pair: FilePair) -> Mask:
        """The mask of a pair. Raises DataError where it cannot be read or understood."""
        return self.mask_reader.read(pair.mask)

    def files_of(self, pair: FilePair) -> tuple[Path, ...]:
        """The files of a pair that the fingerprint covers."""
        return pair.image, pair.mask

    def assigned_splits(self) -> dict[str, str] | None:
        """The split of each sample by name, of those that were dealt out to splits; None where none were."""
        return self._assigned

    def length(self, split: str) -> int:
        """Number of images in `split`."""
        return len(self._pairs.get(split, ()))

    def read(self, split: str, index: int) -> Sample:
        """The image and mask at `index` of `split`, at their own size.

        Raises:
            DataError: a file is missing or unreadable, sizes differ, or the meaning of a mask's value is not known.
            IndexError: `split` has no image at `index`.
        """
        self.check_index(split, index)
        pair = self._pairs[split][index]
        image, mask = read_raw(pair.image, self._reading), self.read_mask(pair)
        return Sample(*aligned(image, mask, self._reading.orientation, pair.image, pair.mask), pair.name)

    def fingerprint(self) -> str:
        """A short hash of the classes, the names and sizes of all images and masks, and the last 4 KiB of each file.

        Modification times are left out, so a copy has the same fingerprint as the original. The end of a PNG contains
        the checksum of its pixels, and JPEG's entropy coding propagates a change to the end, so edits are detected
        without reading whole files.
        """
        digest = hashlib.sha256(repr((self.class_names, self.classes, self.ignore_index)).encode())
        # Only where there are any, so that the fingerprints of studies without them stay.
        meanings = (self._labels.colors, self.mask_reader.other_ids, self._labels.threshold)
        if any(meaning is not None for meaning in meanings):
            digest.update(repr(meanings).encode())
        for split, pairs in self._pairs.items():
            for pair in pairs:
                for file in self.files_of(pair):
                    digest.update(repr((split, file.parent.name, file.name)).encode())
                    digest.update(_size_and_tail(file))
        return digest.hexdigest()[:16]

    def mask_colors(self) -> dict[int, str]:
        """The colours of the classes in masks that are in colours or have a palette, of those read so far."""
        return self.mask_reader.colors()

    def layout_problems(self) -> list[Problem]:
        """What is wrong with the files, as far as it shows without opening one."""
        return list(self._problems)

    def _readable(self, pairs: Mapping[str, Sequence[FilePair]], settings: DataSettings) -> dict[str, list[FilePair]]:
        """The pairs in splits; without `strict`, all that there are where splits cannot be made."""
        try:
            return self._in_splits(pairs, settings)
        except DataError as error:
            if settings.strict:
                raise
            listed = {split: list(found) for split, found in pairs.items()}
            if any(listed.values()) or not self._problems:  # otherwise, that there are none is known
                self._problems.append(Problem("error", str(error), error.path))
            return {"train": listed.pop(UNSPLIT, []), **listed}

    def _in_splits(self, pairs: Mapping[str, Sequence[FilePair]], settings: DataSettings) -> dict[str, list[FilePair]]:
        """The pairs of train, val and test, as they come or as `[data] split` makes them."""
        given = {split: list(listed) for split, listed in pairs.items()}
        if settings.split is None:
            if given.get(UNSPLIT):
                raise DataError(
                    f"The data in {self.path} come without splits; set [data] split = {{ val = 0.2, test = 0.1 }}, the "
                    "shares of the images (and `group`, a pattern for images of one scene).",
                    self.path,
                )
            return given
        source = UNSPLIT if UNSPLIT in given else "train"
        made = split_shares(settings.split).keys() - {"train"}
        clashing = sorted(made & given.keys())
        if clashing:
            raise DataError(
                f"The data in {self.path} come with the splits {', '.join(given)}, so that [data] split must not make "
                f"{' and '.join(clashing)}. Leave it out.",
                self.path,
            )
        return {**given, **self._split(given.pop(source, []), settings.split, settings)}

    def _split(
        self, pairs: Sequence[FilePair], split: SplitSettings, settings: DataSettings
    ) -> dict[str, list[FilePair]]:
        names, assigned = [pair.name for pair in pairs], settings.assigned
        if assigned is None:
            groups = [pair.group for pair in pairs] if any(pair.group for pair in pairs) else None
            assigned = make_splits(names, split, lambda at: self._held(pairs[at]), groups, settings.progress)
        check_assigned(assigned, names, self.path)
        self._assigned = dict(assigned)
        return {made: [pair for pair in pairs if assigned[pair.name] == made] for made in split_shares(split)}

    def _held(self, pair: FilePair) -> npt.NDArray[np.bool_]:
        """Whether a mask holds each class."""
        try:
            ids = self.read_mask(pair).ids
        except DataError:
            return np.zeros(len(self.class_names), np.bool_)  # what is wrong is said when it is read
        return np.bincount(ids.ravel(), minlength=256)[: len(self.class_names)] > 0


def _raise_errors(problems: Sequence[Problem]) -> None:
    errors = grouped([problem for problem in problems if problem.severity == "error"])
    if not errors:
        return
    lines = [problem.message for problem in errors[:_MOST_LISTED]]
    if len(errors) > _MOST_LISTED:
        lines.append(f"... and {len(errors) - _MOST_LISTED} more.")
    raise DataError("\n".join(lines), errors[0].path)


def _size_and_tail(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(0, size - _TAIL_BYTES))
            return size.to_bytes(8, "big") + file.read()
    except OSError as error:
        raise DataError(f"Cannot read {path}: {error.strerror}.", path) from error
