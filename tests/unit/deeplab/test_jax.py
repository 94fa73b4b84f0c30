"""The builder under Keras's JAX backend, in separate processes, because a process has only one backend."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

from deeplab import Architecture, build_model

ROOT = Path(__file__).resolve().parents[3]
# Dilated depthwise and full convolutions, several fusions; shallow, because JAX compiles for each shape.
ARCHITECTURE = Architecture(
    encoder="MobileNetV2",
    output_stride=8,
    low_level_tap=("stage3", "stage2"),
    aspp_rates=(2,),
    aspp_filters=16,
    low_level_filters=4,
    decoder_depth=1,
    decoder_filters=8,
    decoder_separable=True,
    normalization="group",
)
UNDER_JAX = """
import sys
class NotInstalled:
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name.partition(".")[0] == "tensorflow":
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, NotInstalled)
import keras, numpy as np
from deeplab import Architecture, build_model
assert keras.backend.backend() == "jax"
architecture, x, expected = Architecture.from_toml("architecture.toml"), np.load("pixels.npy"), np.load("expected.npy")
models = [build_model(architecture, size, 3, atrous="fast") for size in ((67, 85), (None, None))]
for model in models:
    model.load_weights("model.weights.h5")
    np.testing.assert_allclose(model.predict(x, verbose=0), expected, atol=1e-5)
"""


@pytest.mark.skipif(importlib.util.find_spec("jax") is None, reason="jax is not installed: pip install jax")
def test_jax_computes_what_tensorflow_computes(tmp_path: Path) -> None:
    keras.utils.set_random_seed(0)
    x = np.random.default_rng(0).uniform(0, 255, (1, 67, 85, 3)).astype("float32")
    np.save(tmp_path / "pixels.npy", x)
    model = build_model(ARCHITECTURE, (67, 85), 3)
    (tmp_path / "architecture.toml").write_text(ARCHITECTURE.to_toml())
    model.save_weights(tmp_path / "model.weights.h5")
    np.save(tmp_path / "expected.npy", model(x))
    environment = {**os.environ, "KERAS_BACKEND": "jax", "PYTHONPATH": str(ROOT), "JAX_PLATFORMS": "cpu"}
    command = [sys.executable, "-c", UNDER_JAX]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
