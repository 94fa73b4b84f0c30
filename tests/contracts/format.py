"""What every format of data promises. A format's own test says how a small, sound set of its data is made."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from datasets import FORMATS, DataError, Dataset, inspect_dataset, load_format, open_dataset
from datasets.dataset import SPLITS

SIZE = (32, 48)


class FormatContract:
    """Subclass it, as `TestX`, for a format that draws its data."""

    name: str
    """In `FORMATS`."""

    def make(self, folder: Path) -> dict[str, Any]:
        """Make data in `folder`, train and val of two images or more; returns how to open them, by `open_dataset`."""
        return {}

    @pytest.fixture
    def settings(self, tmp_path: Path) -> dict[str, Any]:
        return {"image_size": SIZE, **self.make(tmp_path)}

    @pytest.fixture
    def dataset(self, settings: dict[str, Any]) -> Dataset:
        return open_dataset(self.name, **settings)

    def test_it_has_a_line_in_the_table_and_a_docstring(self) -> None:
        assert self.name in FORMATS
        assert load_format(self.name).__doc__

    def test_splits_are_train_and_val_and_perhaps_test(self, dataset: Dataset) -> None:
        assert dataset.splits in (SPLITS, SPLITS[:2])
        assert all(dataset.length(split) > 1 for split in dataset.splits)
        assert dataset.length("other") == 0

    def test_samples_are_rgb_images_with_masks_of_known_classes(self, dataset: Dataset) -> None:
        known = {*range(len(dataset.class_names)), dataset.ignore_index}
        assert dataset.classes == len(dataset.class_names) or (dataset.classes == 1 and len(dataset.class_names) == 2)
        assert dataset.ignore_index >= len(dataset.class_names)
        for split in dataset.splits:
            for index in range(dataset.length(split)):
                image, mask, _ = dataset.read(split, index)
                assert image.dtype == mask.dtype == np.uint8
                assert image.shape == (*mask.shape, 3)
                assert set(np.unique(mask).tolist()) <= known

    def test_names_tell_the_samples_of_a_split_apart(self, dataset: Dataset) -> None:
        for split in dataset.splits:
            names = [dataset.read(split, index).name for index in range(dataset.length(split))]
            assert len(set(names)) == len(names)

    def test_a_sample_is_the_same_whenever_it_is_read(self, dataset: Dataset, settings: dict[str, Any]) -> None:
        places = [(split, index) for split in dataset.splits for index in range(dataset.length(split))]
        again = open_dataset(self.name, **settings)
        with ThreadPoolExecutor(8) as pool:
            read_together = list(pool.map(lambda place: again.read(*place), places))
        for place, other in zip(places, read_together, strict=True):
            sample = dataset.read(*place)
            np.testing.assert_array_equal(sample.image, other.image)
            np.testing.assert_array_equal(sample.mask, other.mask)
            assert sample.name == other.name

    def test_there_is_nothing_past_the_end(self, dataset: Dataset) -> None:
        for split, index in (("train", -1), ("train", dataset.length("train")), ("other", 0)):
            with pytest.raises(IndexError):
                dataset.read(split, index)

    def test_the_fingerprint_is_that_of_the_data(self, dataset: Dataset, settings: dict[str, Any]) -> None:
        assert dataset.fingerprint()
        assert open_dataset(self.name, **settings).fingerprint() == dataset.fingerprint()

    def test_an_inspection_finds_no_error(self, dataset: Dataset) -> None:
        problems, statistics = inspect_dataset(dataset)
        assert not [problem for problem in problems if problem.severity == "error"]
        assert [split.images for split in statistics.splits] == [dataset.length(split) for split in dataset.splits]

    def test_options_that_it_does_not_declare_are_refused(self, settings: dict[str, Any]) -> None:
        with pytest.raises(DataError, match="no option no_such_option"):
            open_dataset(self.name, **settings, no_such_option=1)

    def test_each_option_is_optional_and_explained(self) -> None:
        for field in load_format(self.name).options.model_fields.values():
            assert field.default is None
            assert field.description

    def test_a_path_is_asked_for_where_it_needs_one_and_else_refused(self, settings: dict[str, Any]) -> None:
        needed = load_format(self.name).needs_path
        path = None if needed else "somewhere"
        with pytest.raises(DataError, match="needs a path" if needed else "takes no path"):
            open_dataset(self.name, **(settings | {"path": path}))


class StoredFormatContract(FormatContract):
    """The same for a format that reads its data from a path."""

    def change(self, folder: Path) -> None:
        """Change the data that `make` has made in `folder`, by one pixel."""
        raise NotImplementedError

    def damage(self, folder: Path) -> Path:
        """Damage the data that `make` has made in `folder`; returns the file at fault."""
        raise NotImplementedError

    def mislabel(self, folder: Path) -> Path:
        """Give one mask a value that is not a class; returns the file at fault."""
        raise NotImplementedError

    def test_a_path_that_does_not_exist_is_refused(self, settings: dict[str, Any], tmp_path: Path) -> None:
        with pytest.raises(DataError, match="nowhere"):
            open_dataset(self.name, **(settings | {"path": tmp_path / "nowhere"}))

    def test_one_changed_pixel_changes_the_fingerprint(
        self, dataset: Dataset, settings: dict[str, Any], tmp_path: Path
    ) -> None:
        before = dataset.fingerprint()
        self.change(tmp_path)
        assert open_dataset(self.name, **settings).fingerprint() != before

    @pytest.mark.parametrize("spoil", ["damage", "mislabel"])
    def test_a_file_at_fault_is_named_with_what_is_wrong(
        self, settings: dict[str, Any], tmp_path: Path, spoil: str
    ) -> None:
        at_fault: Path = getattr(self, spoil)(tmp_path)
        try:
            problems, _ = inspect_dataset(open_dataset(self.name, **settings, strict=False))
            found = {problem.path: problem.message for problem in problems if problem.severity == "error"}
        except DataError as error:  # at the opening already
            found = {error.path: str(error)}
        assert at_fault in found
        assert str(at_fault) in found[at_fault]
