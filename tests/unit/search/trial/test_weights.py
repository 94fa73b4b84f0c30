"""Weights that were written with one kind of dilated layers and are read with the other."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from deeplab import Architecture, build_model
from recipe import Recipe, compile_model
from search.trial.weights import read_weights, write_weights

ARCHITECTURE = Architecture(
    encoder="MobileNetV2", aspp_filters=8, decoder_filters=8, aspp_rates=(1, 2), output_stride=8
)


def network(atrous: Any, seed: int, *, compiled: bool = True) -> keras.Model:
    keras.utils.set_random_seed(seed)
    model = build_model(ARCHITECTURE, (32, 32), 2, output="logits", atrous=atrous)
    if compiled:
        compile_model(model, Recipe(ema=True), classes=2, ignore_index=255, total_steps=4)
    return model


@pytest.mark.parametrize(
    ("writer", "reader"), [("fast", "stock"), pytest.param("stock", "fast", marks=pytest.mark.grid)]
)
def test_a_machine_without_a_gpu_continues_what_one_with_a_gpu_began(tmp_path: Path, writer: str, reader: str) -> None:
    written = network(writer, 1)
    images, masks = np.full((2, 32, 32, 3), 90, np.uint8), np.ones((2, 32, 32), np.uint8)
    written.train_on_batch(images, masks)
    write_weights(written, tmp_path / "w.weights.h5", None)
    read = network(reader, 2)
    read_weights(read, tmp_path / "w.weights.h5")
    for before, after in zip(written.weights, read.weights, strict=True):
        np.testing.assert_array_equal(before, after)
    for before, after in zip(written.optimizer.variables, read.optimizer.variables, strict=True):
        np.testing.assert_array_equal(before, after)
    np.testing.assert_allclose(written(images), read(images), atol=1e-4)


def test_without_an_optimizer_its_state_is_left_out(tmp_path: Path) -> None:
    written = network("fast", 1)
    write_weights(written, tmp_path / "w.weights.h5", None)
    read = network("stock", 2, compiled=False)
    read_weights(read, tmp_path / "w.weights.h5")
    for before, after in zip(written.weights, read.weights, strict=True):
        np.testing.assert_array_equal(before, after)


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    write_weights(network("fast", 1), tmp_path / "w.weights.h5", None)
    other = build_model(ARCHITECTURE.model_copy(update={"aspp_filters": 16}), (32, 32), 2, output="logits")
    with pytest.raises(ValueError, match=r"could not be loaded|shape"):
        read_weights(other, tmp_path / "w.weights.h5")
