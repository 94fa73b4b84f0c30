"""The steps of an epoch, reported as they are done."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

import keras

# (epoch, phase, steps done, steps, images per second)
Progress = Callable[[int, str, int, int, float], None]


class StepProgress(keras.callbacks.Callback):
    """Reports the steps and images per second of a training by Keras, or of a validation.

    Args:
        report: called with each step.
        epoch: counted from 1.
        phase: `train`, `validate` or `test`.
        steps: of the phase.
        batch_size: images per step.
    """

    def __init__(self, report: Progress, epoch: int, phase: str, steps: int, batch_size: int) -> None:
        super().__init__()
        self._report, self._epoch, self._phase = report, epoch, phase
        self._steps, self._batch_size = steps, batch_size

    def on_train_begin(self, logs: Mapping[str, float] | None = None) -> None:
        self.start()

    def on_train_batch_end(self, batch: int, logs: Mapping[str, float] | None = None) -> None:
        self.step(batch + 1)

    def start(self) -> None:
        """Begin to measure."""
        self._started = time.perf_counter()
        self._report(self._epoch, self._phase, 0, self._steps, 0.0)

    def step(self, done: int) -> None:
        """Report that this many steps are done."""
        rate = done * self._batch_size / max(time.perf_counter() - self._started, 1e-9)
        self._report(self._epoch, self._phase, done, self._steps, rate)
