"""The latency of a network, measured on the device of this process."""

from __future__ import annotations

import statistics
import time
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from .architecture import Architecture


def latency(
    architecture: Architecture,
    image_size: tuple[int, int],
    classes: int,
    channels: int = 3,
    *,
    repeats: int = 20,
    warm_up: int = 3,
) -> float:
    """Milliseconds per image: the median of `repeats` forward passes after `warm_up` unmeasured ones.

    The network is measured as it is exported: in float32, as a graph, from an image in main memory to probabilities
    in main memory. Its weights are random. Building and tracing take seconds, and a process does not release all of
    their memory: measure many networks in separate processes.

    Raises:
        ValueError: as `build_model`, or `repeats` is below 1, or `warm_up` is below 0.
    """
    import keras

    from .model import build_model

    if repeats < 1 or warm_up < 0:
        raise ValueError(f"repeats must be 1 or more and warm_up 0 or more; given: {repeats}, {warm_up}")
    model = build_model(architecture, image_size, classes, channels=channels)
    # TensorFlow's graphs run without XLA, as saved models do; JAX would run operation by operation.
    model.compile(jit_compile=keras.backend.backend() != "tensorflow")
    image = np.zeros((1, *image_size, channels), "float32")
    times = []
    for _ in range(warm_up + repeats):
        before = time.perf_counter()
        model.predict_on_batch(image)  # waits for the result, because it copies it to main memory
        times.append(time.perf_counter() - before)
    return 1000 * statistics.median(times[warm_up:])
