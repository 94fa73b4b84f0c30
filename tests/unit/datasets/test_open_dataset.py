"""Opening data by format name."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from datasets import DataError
from datasets.formats import FORMATS, open_dataset

SIZE = (32, 48)


def test_an_unknown_format_is_refused_with_what_there_is() -> None:
    with pytest.raises(DataError, match=r"'folders' is not known.*folder, csv, voc"):
        open_dataset("folders", image_size=SIZE)


@pytest.mark.parametrize("name", FORMATS)
def test_an_unknown_option_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no option colour"):
        open_dataset(name, image_size=SIZE, path=tmp_path, colour="red")


def test_an_option_of_another_format_is_unknown_here(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="'folder' has no option train_images; it takes none"):
        open_dataset("folder", image_size=SIZE, path=tmp_path, train_images=3)
    with pytest.raises(DataError, match="'synthetic' has no option colour; it takes train_images, val_images, test_"):
        open_dataset("synthetic", image_size=SIZE, colour="red")


def test_a_format_whose_package_is_missing_says_which(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(FORMATS, "coco", "no_such_package.coco:CocoDataset")
    with pytest.raises(DataError, match="'coco' needs the package no_such_package, which is not installed"):
        open_dataset("coco", image_size=SIZE)


@pytest.mark.parametrize("size", [(0, 32), (32,), (32, 32, 3), (32.5, 32), 32, (True, 32), None])
def test_image_size_must_be_two_positive_whole_numbers(size: object) -> None:
    with pytest.raises(DataError, match="image_size must be"):
        open_dataset("synthetic", image_size=size)  # type: ignore[arg-type]


def test_folder_needs_a_path_and_synthetic_takes_none(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="needs a path"):
        open_dataset("folder", image_size=SIZE)
    with pytest.raises(DataError, match="takes no path"):
        open_dataset("synthetic", image_size=SIZE, path=tmp_path)


def test_data_open_without_tensorflow() -> None:
    program = (
        "import sys, datasets, datasets.colors\n"
        "datasets.inspect_dataset(datasets.open_dataset('synthetic', image_size=(32, 32)))\n"
        "assert not {'tensorflow', 'keras'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True, cwd=Path(__file__).parents[3], timeout=60)
