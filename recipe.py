"""The recipe: the training choices that, with the architecture, make up a configuration."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator

if TYPE_CHECKING:
    import keras


class Recipe(BaseModel):
    """How a network is trained. Frozen and hashable; every field is a key of a study file's `[recipe]`.

    `schedule = "poly"` is DeepLab's decay, `learning_rate * (1 - step / total_steps) ** 0.9` (Chen et al. 2017,
    "Rethinking Atrous Convolution", section 4.1). `total_steps` covers the study's `max_epochs` at every rung, so that
    a configuration follows a single curve from its first epoch to its last, however often it is promoted.
    `weight_decay` is decoupled (AdamW, and SGD with momentum 0.9); plain `adam` has none.

    Raises:
        pydantic.ValidationError: a value is not allowed.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    optimizer: Literal["adamw", "adam", "sgd"] = "adamw"
    learning_rate: float = Field(default=1e-3, gt=0, le=10)
    weight_decay: float = Field(default=1e-4, ge=0, lt=1)
    schedule: Literal["poly", "constant"] = "poly"
    loss: Literal["crossentropy"] = "crossentropy"
    batch_size: int = Field(default=8, ge=1)
    freeze_encoder_epochs: int = Field(default=0, ge=0)
    augment: Literal["none", "flip", "standard", "strong"] = "flip"
    precision: Literal["auto", "float32", "mixed_float16", "mixed_bfloat16"] = "auto"

    @field_validator("weight_decay")
    @classmethod
    def _adam_has_none(cls, value: float, info: ValidationInfo) -> float:
        # Adam with decoupled weight decay is AdamW; without it, equal recipes could have different values here.
        return 0.0 if info.data.get("optimizer") == "adam" else value


def compile_model(model: keras.Model, recipe: Recipe, *, classes: int, ignore_index: int, total_steps: int) -> None:
    """Compile a network that ends in logits with its loss, metric and optimizer, ready to fit or to restore weights.

    Args:
        model: maps images to logits `[B, H, W, classes]`.
        recipe: the training choices.
        classes: number of outputs of the network, 1 for binary segmentation.
        ignore_index: label that neither loss nor metric counts.
        total_steps: optimizer steps in the study's `max_epochs`, over which the learning rate decays.
    """
    from deeplab.losses import MaskedCrossentropy
    from deeplab.metrics import ConfusionMatrix

    model.compile(
        optimizer=make_optimizer(recipe, total_steps),
        loss=MaskedCrossentropy(classes, ignore_index),
        metrics=[ConfusionMatrix(classes, ignore_index)],
        jit_compile=False,  # XLA was slower on CPUs and cannot compile the metric's `bincount`
    )
    # Before the first step, so that Keras traces only once and a restored optimizer keeps its state.
    model.optimizer.build(model.trainable_variables)


def make_optimizer(recipe: Recipe, total_steps: int) -> keras.optimizers.Optimizer:
    """The recipe's optimizer with its learning-rate schedule over `total_steps` optimizer steps."""
    import keras

    rate: Any = recipe.learning_rate
    if recipe.schedule == "poly":
        rate = keras.optimizers.schedules.PolynomialDecay(rate, total_steps, end_learning_rate=0.0, power=0.9)
    if recipe.optimizer == "sgd":
        return keras.optimizers.SGD(rate, momentum=0.9, weight_decay=recipe.weight_decay)
    optimizers = {"adamw": keras.optimizers.AdamW, "adam": keras.optimizers.Adam}
    return optimizers[recipe.optimizer](rate, weight_decay=recipe.weight_decay)
