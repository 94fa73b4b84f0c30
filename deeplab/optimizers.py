"""What Keras's optimizers lack: rates per part of a network, averages for validation alone, and a warm-up."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import keras
from keras import ops


class _ScaledUpdates:
    """Mixed into an optimizer: updates scaled by variable; averaged weights that training does not continue from."""

    def scale_updates(self, variables: Sequence[Any], factor: float) -> None:
        """Multiply the learning rate of these variables by `factor`; the optimizer must be built."""
        self._factors = {self._get_variable_index(variable): factor for variable in variables}  # type: ignore[attr-defined]

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """One step of one variable. The update is scaled, since Adam's does not depend on the gradient's size."""
        factor = getattr(self, "_factors", {}).get(self._get_variable_index(variable), 1.0)  # type: ignore[attr-defined]
        super().update_step(gradient, variable, learning_rate * factor)  # type: ignore[misc]

    def _update_model_variables_moving_average(self, trainable_variables: Sequence[Any]) -> None:
        """Keras's average, but young ones forget faster: the momentum after n steps is `n / (9 + n)` at most.

        Otherwise the average would consist of initial weights for as many steps as small data have in several epochs.
        The formula is that of `tf.train.ExponentialMovingAverage`, begun with the weights after the first step.
        """
        steps = ops.cast(self.iterations, "float32")  # type: ignore[attr-defined]
        momentum = ops.minimum(self.ema_momentum, steps / (9.0 + steps))  # type: ignore[attr-defined]
        for variable, average in zip(trainable_variables, self._model_variables_moving_average, strict=True):  # type: ignore[attr-defined]
            if average is not None:
                average.assign(average + (1.0 - ops.cast(momentum, variable.dtype)) * (variable - average))

    def finalize_variable_values(self, var_list: Sequence[Any]) -> None:
        """Nothing: Keras would go on from the averaged weights after each `fit`."""


def with_scaled_updates(kind: type[keras.optimizers.Optimizer]) -> type[keras.optimizers.Optimizer]:
    """An optimizer class like `kind`, with `scale_updates`, whose averaged weights (`use_ema`) stay apart."""
    return type(kind.__name__, (_ScaledUpdates, kind), {})


class Warmup(keras.optimizers.schedules.LearningRateSchedule):
    """A schedule that rises linearly over its first steps, from `1 / steps` of what it would be.

    Args:
        rate: a number, or another schedule.
        steps: of the rise.
    """

    def __init__(self, rate: Any, steps: int) -> None:
        self.rate, self.steps = rate, steps

    def __call__(self, step: Any) -> Any:
        rate = self.rate(step) if callable(self.rate) else self.rate
        return rate * ops.minimum(1.0, (ops.cast(step, "float32") + 1.0) / self.steps)

    def get_config(self) -> dict[str, Any]:
        return {"rate": self.rate, "steps": self.steps}


def use_averaged_weights(model: keras.Model) -> None:
    """Replace the model's weights by those that its optimizer averaged (`use_ema`), for good."""
    swap = keras.callbacks.SwapEMAWeights()
    swap.set_model(model)
    swap.on_test_begin()


@contextmanager
def averaged_weights(model: keras.Model) -> Iterator[None]:
    """Give the model its averaged weights meanwhile, if its optimizer keeps some (`use_ema`)."""
    if not model.optimizer.use_ema:
        yield
        return
    swap = keras.callbacks.SwapEMAWeights()
    swap.set_model(model)
    swap.on_test_begin()
    try:
        yield
    finally:
        swap.on_test_end()
