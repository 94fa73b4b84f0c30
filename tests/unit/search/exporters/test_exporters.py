"""The exporters keep what every exporter promises."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from search.errors import UserError
from search.exporters import EXPORTERS, load_exporter
from tests.contracts.exporter import ExporterContract


class TestKerasFile(ExporterContract):
    name = "keras"

    def answers(self, path: Path, images: np.ndarray) -> np.ndarray:
        return np.asarray(keras.saving.load_model(path)(images, training=False))


class TestSavedModel(ExporterContract):
    name = "savedmodel"

    def answers(self, path: Path, images: np.ndarray) -> np.ndarray:
        serve = tf.saved_model.load(str(path)).signatures["serving_default"]
        (name,) = serve.structured_input_signature[1]
        (output,) = serve(**{name: tf.constant(images)}).values()
        return np.asarray(output)


def test_a_format_that_does_not_exist_is_unknown() -> None:
    with pytest.raises(UserError, match=r"^--format: given 'onnx'; allowed are keras, savedmodel\.$"):
        load_exporter("onnx")


def test_a_format_whose_package_is_missing_says_which(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(EXPORTERS, "onnx", "no_such_package.onnx:Onnx")
    with pytest.raises(UserError, match="'onnx' needs the package no_such_package, which is not installed"):
        load_exporter("onnx")
