"""Data sets of TensorFlow Datasets, on a miniature that is built here."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from datasets import DataError, Dataset, open_dataset

tfds: Any = pytest.importorskip("tensorflow_datasets", reason="the extra [tfds] is not installed")
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


def example(number: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(number)
    return rng.integers(0, 256, (12, 16, 3), np.uint8), rng.integers(1, 4, (12, 16, 1), np.uint8)


class MiniaturePets(tfds.core.GeneratorBasedBuilder):
    """Masks of ids from 1, as those of oxford_iiit_pet."""

    VERSION = tfds.core.Version("1.0.0")
    name = "miniature_pets"

    def _info(self) -> Any:
        features = tfds.features.FeaturesDict(
            {
                "image": tfds.features.Image(),
                "segmentation_mask": tfds.features.Image(shape=(None, None, 1), use_colormap=True),
            }
        )
        return self.dataset_info_from_configs(features=features)

    def _split_generators(self, _: Any) -> Any:
        return {"train": self._generate_examples(0, 10), "test": self._generate_examples(10, 13)}

    def _generate_examples(self, first: int, last: int) -> Iterator[tuple[int, dict[str, Any]]]:
        for number in range(first, last):
            image, mask = example(number)
            yield number, {"image": image, "segmentation_mask": mask}


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tfds")
    MiniaturePets(data_dir=folder, file_format="array_record").download_and_prepare()
    return folder


def opened(data_dir: Path, **options: Any) -> Dataset:
    settings = {"classes": 3, "first_id": 1, "split": {"val": 0.3}, **options}
    return open_dataset("tfds", path="miniature_pets", image_size=(32, 32), data_dir=str(data_dir), **settings)


def test_reads_equal_to_the_truth(data_dir: Path) -> None:
    data = opened(data_dir)
    assert {split: data.length(split) for split in data.splits} == {"train": 7, "val": 3, "test": 3}
    truth = {image.tobytes(): mask[..., 0] - 1 for image, mask in map(example, range(13))}
    for split in data.splits:
        for index in range(data.length(split)):
            sample = data.read(split, index)
            assert np.array_equal(truth.pop(sample.image.tobytes()), sample.mask)
    assert not truth
    assert opened(data_dir).fingerprint() == data.fingerprint()
    assert opened(data_dir, assigned=data.assigned_splits()).fingerprint() == data.fingerprint()


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"split": None}, r"no split val; set \[data\] split"),
        ({"split": {"val": 0.2, "test": 0.2}}, "has a split test already"),
        ({"classes": None}, "number of classes is unknown"),
        ({"channels": 1}, "have 3 channels"),
        ({"first_id": 0}, "expected 0 to 2"),
        ({"assigned": {"train_000000": "train"}}, "train_000001 is new"),
    ],
)
def test_mistakes(data_dir: Path, options: dict[str, Any], match: str) -> None:
    with pytest.raises(DataError, match=match):
        opened(data_dir, **options).read("train", 0)


def test_a_name_that_does_not_exist(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="Cannot prepare the data set 'no_such_data'"):
        open_dataset("tfds", path="no_such_data", image_size=(32, 32), classes=3, data_dir=str(tmp_path))
