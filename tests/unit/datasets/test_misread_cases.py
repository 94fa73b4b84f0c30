"""Data sets that were once read wrongly and in silence: read right, or refused with what to do."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from datasets import Dataset, inspect_dataset, open_dataset

CASES = Path(__file__).resolve().parents[4] / "shared" / "cases" / "cases.py"
COLORS = {"palette-by-colour": ["#000000", "#dc143c", "#0000dc"], "rgb-masks": ["#000000", "#ff0000", "#00ff00"]}


@pytest.fixture(scope="module")
def cases(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if not CASES.exists():
        pytest.skip("no misread cases: there is no shared/cases beside the clone")
    folder = tmp_path_factory.mktemp("cases")
    subprocess.run([sys.executable, str(CASES), str(folder)], check=True)
    return folder


def opened(case: Path, **options: Any) -> Dataset:
    if not (case / "data/classes.json").exists():
        options["classes"] = 1
    return open_dataset("folder", path=case / "data", image_size=(96, 96), **options)


def add_to_classes(case: Path, **keys: Any) -> None:
    file = case / "data/classes.json"
    content = json.loads(file.read_text()) if file.exists() else {"classes": ["background", "object"]}
    file.write_text(json.dumps(content | keys))


def errors(data: Dataset) -> list[str]:
    return [problem.message for problem in inspect_dataset(data).problems if problem.severity == "error"]


def assert_true(case: Path, data: Dataset) -> None:
    assert errors(data) == []
    for split in ("train", "val"):
        for index in range(data.length(split)):
            sample = data.read(split, index)
            truth = np.load(case / "truth" / split / f"{sample.name}.npy")
            assert np.array_equal(sample.mask, truth), f"{case.name} {split} {sample.name}"


@pytest.mark.parametrize("name", sorted(COLORS))
def test_colours(cases: Path, name: str) -> None:
    (message,) = errors(opened(cases / name))
    assert message.startswith("36 files (000.png, 001.png, 002.png, ...)")
    assert "#0000dc" in message if name == "palette-by-colour" else "#00ff00" in message
    add_to_classes(cases / name, colors=COLORS[name])
    assert_true(cases / name, opened(cases / name))


def test_inverted_palettes(cases: Path) -> None:
    assert_true(cases / "palette-inverted", opened(cases / "palette-inverted"))


def test_two_conventions(cases: Path) -> None:
    case = cases / "two-conventions"
    (message,) = errors(opened(case))
    assert "000.png" in message
    assert "001.png" in message
    add_to_classes(case, ids={"0": "background", "1": "object", "255": "object"})
    assert_true(case, opened(case, classes=1))


def test_ids_from_one(cases: Path) -> None:
    case = cases / "ids-from-one"
    (message,) = errors(opened(case))
    assert '"ids"' in message
    add_to_classes(case, ids={"1": "ground", "2": "a", "3": "b"})
    assert_true(case, opened(case))


@pytest.mark.parametrize(("name", "turns"), [("turned-180", 2), ("turned-90-square", -1)])
def test_turned_images(cases: Path, name: str, turns: int) -> None:
    case = cases / name
    (message,) = errors(opened(case))
    assert 'orientation = "turned" or "raw"' in message
    raw = np.asarray(Image.open(case / "data/train/images/000.jpg"))
    for orientation, expected in (("raw", raw), ("turned", np.rot90(raw, turns))):
        data = opened(case, orientation=orientation)
        assert_true(case, data)
        assert np.array_equal(data.read("train", 0).image, expected)


def test_deep_images(cases: Path) -> None:
    case = cases / "16-bit-rgb"
    (message,) = errors(opened(case))
    assert "value_range" in message
    data = opened(case, value_range=(0, 255 * 16))
    assert_true(case, data)
    assert data.read("train", 0).image.mean() > 50
