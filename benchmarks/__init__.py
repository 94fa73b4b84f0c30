"""Benchmark programs. TensorFlow is loaded here, before any of them imports it, so that its start-up stays quiet."""

import os

from search.system.quiet import load_tensorflow

# One program runs on JAX, where TensorFlow need not be installed.
if os.environ.get("KERAS_BACKEND", "tensorflow") == "tensorflow":
    load_tensorflow()
