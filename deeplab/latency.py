"""How long a network takes, measured on the device of this process."""

from __future__ import annotations

import statistics
import time
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from .architecture import Architecture


def latency(
    architecture: Architecture, image_size: tuple[int, int], classes: int, *, repeats: int = 20, warm_up: int = 3
) -> float:
    """Milliseconds that the network takes for one image: the median of `repeats` forward passes after `warm_up` ones.

    Measured is the network as it is exported: float32, from an RGB image in main memory to probabilities there, as a
    graph. Weights are random. Building and tracing take seconds, and a process keeps some of their memory: measure many
    networks in processes of their own.

    Raises:
        ValueError: as `build_model`; `repeats` below 1 or `warm_up` below 0.
    """
    import keras

    from .model import build_model

    if repeats < 1 or warm_up < 0:
        raise ValueError(f"repeats must be 1 or more and warm_up 0 or more; given: {repeats}, {warm_up}")
    model = build_model(architecture, image_size, classes)
    # TensorFlow's graphs run without XLA, as saved models do; JAX would run operation by operation.
    model.compile(jit_compile=keras.backend.backend() != "tensorflow")
    image = np.zeros((1, *image_size, 3), "float32")
    times = []
    for _ in range(warm_up + repeats):
        before = time.perf_counter()
        model.predict_on_batch(image)  # waits for the result, which it copies to main memory
        times.append(time.perf_counter() - before)
    return 1000 * statistics.median(times[warm_up:])
