"""The Python examples of README.md and docs/results.md run as they are written, and do what they say."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from PIL import Image

from deeplab import Architecture, build_model
from search.commands.predict import predict_images
from search.exporters import load_exporter
from search.exporters.placing import export_model

ROOT = Path(__file__).resolve().parents[2]
SIZE = (48, 64)
TURNED = 6  # EXIF: to be shown turned by a quarter
ARCHITECTURE = Architecture(
    encoder="MobileNetV2", output_stride=8, aspp_rates=(), aspp_filters=8, low_level_filters=4, decoder_filters=8
)


def examples(page: str) -> list[str]:
    return re.findall(r"```python\n(.*?)```", (ROOT / page).read_text(encoding="utf-8"), re.DOTALL)


EXAMPLES = [*examples("README.md"), *examples("docs/results.md")]
ON_EXPORTS = [source for source in EXAMPLES if "/export/" in source]
OTHERS = [source for source in EXAMPLES if source not in ON_EXPORTS]


def run(source: str) -> dict[str, Any]:
    """What an example's names stand for in the end. Downloaded weights and full size are left out."""
    found: dict[str, Any] = {}
    smaller = source.replace(', encoder_weights="imagenet"', "").replace("(512, 512)", "(64, 64)")
    exec(compile(smaller.replace("results/NAME", "results/demo"), "example", "exec"), found)
    return found


def test_there_are_examples_of_each_kind() -> None:
    assert len(ON_EXPORTS) == 3
    assert len(OTHERS) >= 6


def write_photo(path: Path) -> None:
    """A photo whose camera was held upright: its pixels lie on their side."""
    pixels = np.random.default_rng(0).integers(0, 256, (90, 131, 3), np.uint8)
    exif = Image.Exif()
    exif[0x0112] = TURNED
    Image.fromarray(pixels).resize((197, 143), Image.Resampling.BICUBIC).save(path, exif=exif, quality=95)


@pytest.mark.parametrize("classes", [1, 4])
def test_examples_on_exported_models_find_the_mask_that_predict_writes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, classes: int
) -> None:
    monkeypatch.chdir(tmp_path)
    keras.utils.set_random_seed(0)
    model = build_model(ARCHITECTURE, SIZE, classes)
    export = tmp_path / "results" / "demo" / "export"
    export.mkdir(parents=True)
    for name in ("keras", "savedmodel"):
        export_model(load_exporter(name), model, export)
    names = [str(index) for index in range(max(2, classes))]
    (export / "labels.toml").write_text(f"classes = {names}\noutputs = {classes}\nimage_size = {list(SIZE)}\n")
    write_photo(tmp_path / "photo.jpg")
    masks = {}
    for exported in ("model.keras", "savedmodel"):
        predict_images(export / exported, [Path("photo.jpg")], tmp_path / exported / "masks")
        masks[exported] = np.asarray(Image.open(tmp_path / exported / "masks" / "photo.png"))
        assert masks[exported].shape == (197, 143), "upright"
        assert len(np.unique(masks[exported])) > 1
    compared = 0
    for source in ON_EXPORTS:
        found = run(source)
        assert found["probabilities"].shape == (1, *SIZE, classes)
        if "mask" in found:
            expected = masks["savedmodel" if "saved_model" in source else "model.keras"]
            np.testing.assert_array_equal(found["mask"], expected)
            compared += 1
    assert compared == 2


@pytest.fixture
def studies(study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The finished search as `results/demo`, in the working directory."""
    shutil.copytree(study, tmp_path / "results" / "demo")
    monkeypatch.chdir(tmp_path)


@pytest.mark.usefixtures("studies")
@pytest.mark.parametrize("source", OTHERS, ids=range(len(OTHERS)))
def test_other_examples_run(source: str) -> None:
    found = run(source)
    if "trials" in found:
        assert len(found["trials"]) == 7
    if "model" in found:
        assert found["model"].count_params() > 0
