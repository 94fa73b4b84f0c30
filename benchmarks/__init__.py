"""Benchmark programs. TensorFlow is loaded here, before any of them imports it, so that its start-up stays quiet."""

from search.system.quiet import load_tensorflow

load_tensorflow()
