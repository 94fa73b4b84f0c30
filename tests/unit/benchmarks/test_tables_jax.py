"""What trains the table computes what stock Keras does; in a separate process, because one process has one backend."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
needs_jax = pytest.mark.skipif(importlib.util.find_spec("jax") is None, reason="jax is not installed: pip install jax")
LAYERS = """
import jax, keras, numpy as np
from benchmarks.tables.layers import set_rates, with_products
from deeplab import Architecture, build_model
assert keras.backend.backend() == "jax"
keras.utils.set_random_seed(0)
settings = dict(encoder="MobileNetV2", output_stride=8, aspp_tap="stage3", aspp_filters=8, decoder_filters=8,
                decoder_depth=1, decoder_separable=True)
stock = build_model(Architecture(**settings, aspp_rates=(2, 3)), (37, 52), 3)
products = with_products(stock)
trained = products.trainable_variables
assert [v.shape for v in trained] == [v.shape for v in stock.trainable_variables]
others = set_rates(products, [np.asarray(v.value) for v in products.non_trainable_variables], [2, 3])  # from rates of 1
assert len(others) == len(stock.non_trainable_variables) + 2
x = np.random.default_rng(0).uniform(0, 255, (2, 37, 52, 3)).astype("float32")
weights, states = ([v.value for v in of] for of in (stock.trainable_variables, stock.non_trainable_variables))
call = lambda model: jax.jit(lambda weights, states: model.stateless_call(weights, states, x, training=True)[0])
found, expected = call(products)(weights, others), call(stock)(weights, states)
np.testing.assert_allclose(found, expected, atol=1e-5)
assert np.ptp(expected) > 0.01
"""
STEPS = """
import keras, numpy as np
from benchmarks.tables.training import Choices, State, adamw
random = np.random.default_rng(0)
start, gradients = random.normal(size=20).astype("float32"), random.normal(size=(4, 20)).astype("float32")
variable = keras.Variable(start)
optimizer = keras.optimizers.AdamW(0.01, weight_decay=0.3)
zero = np.zeros_like(start)
state = State(start, start, None, zero, zero, np.float32(0))
for gradient in gradients:
    optimizer.apply([gradient], [variable])
    state = adamw(state, gradient, Choices(0.01, None, None, 0.3))
np.testing.assert_allclose(state.weights, variable.value, rtol=1e-5, atol=1e-6)
assert np.abs(np.asarray(state.weights) - start).max() > 0.01
"""


@needs_jax
@pytest.mark.parametrize("program", [LAYERS, STEPS], ids=["layers", "steps"])
def test_training_computes_what_keras_does(program: str, tmp_path: Path) -> None:
    environment = {**os.environ, "KERAS_BACKEND": "jax", "PYTHONPATH": str(ROOT), "JAX_PLATFORMS": "cpu"}
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
