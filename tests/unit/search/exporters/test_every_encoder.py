"""Every encoder as ONNX and LiteRT: the converters know every operation of it, and compute what it computes."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pytest

from deeplab import ENCODERS, Architecture, build_model
from search.exporters import Details, load_exporter
from search.exporters.placing import export_model
from tests.contracts.exporter import answers

SIZE, CLASSES = (64, 96), 3
IMAGES = np.random.default_rng(0).integers(0, 256, (2, *SIZE, 3), np.uint8)


def network(encoder: str, size: tuple[int | None, int | None]) -> keras.Model:
    keras.utils.set_random_seed(0)
    architecture = Architecture(
        encoder=encoder, aspp_tap="stage5", aspp_filters=8, aspp_rates=(2,), low_level_filters=4, decoder_filters=8
    )
    return build_model(architecture, size, CLASSES)


@pytest.mark.grid
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("encoder", ENCODERS)
def test_onnx_and_litert_answer_as_the_model(encoder: str, tmp_path: Path) -> None:
    model = network(encoder, SIZE)
    expected = np.asarray(model(IMAGES.astype(np.float32), training=False))
    details = Details(calibration=lambda: iter(IMAGES))
    for name in ("onnx", "litert", "litert-float16", "litert-int8"):
        exporter = load_exporter(name)
        export_model(exporter, model, tmp_path, details)
        found = answers(exporter, tmp_path, IMAGES)
        if exporter.tolerance is None:
            assert np.abs(found - expected).mean() < 0.1, name
        else:
            np.testing.assert_allclose(found, expected, atol=exporter.tolerance, err_msg=name)


@pytest.mark.grid
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("encoder", ENCODERS)
def test_onnx_takes_images_of_any_size(encoder: str, tmp_path: Path) -> None:
    model, exporter = network(encoder, (None, None)), load_exporter("onnx")
    export_model(exporter, model, tmp_path)
    for size in ((64, 96), (81, 67)):
        images = np.random.default_rng(1).integers(0, 256, (1, *size, 3), np.uint8)
        expected = model(images.astype(np.float32), training=False)
        np.testing.assert_allclose(answers(exporter, tmp_path, images), expected, atol=1e-4)
