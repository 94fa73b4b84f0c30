"""The recipe: the training choices that, with the architecture, make up a configuration."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator

if TYPE_CHECKING:
    import keras

# Of the averaged weights, after some 170 steps: they forget nearly all of what is 100 steps old.
EMA_MOMENTUM = 0.95


class Recipe(BaseModel):
    """How a network is trained. Frozen and hashable; every field is a key of a study file's `[recipe]`.

    `schedule = "poly"` is DeepLab's decay, `learning_rate * (1 - step / total_steps) ** 0.9` (Chen et al. 2017,
    "Rethinking Atrous Convolution", section 4.1); "cosine" is half a wave (Loshchilov and Hutter 2017, "SGDR", without
    restarts). `total_steps` covers the study's `max_epochs` at every rung, so that a configuration follows a single
    curve from its first epoch to its last, however often it is promoted; in the first `warmup_epochs` it rises to that
    curve. The encoder learns at `encoder_learning_rate` times the rate. `clip_norm` limits the norm of the whole
    gradient; 0 does not. With `ema`, what is validated and exported are averaged weights.
    `weight_decay` is decoupled (AdamW, and SGD with momentum 0.9); plain `adam` has none. `weight_decay_on = "kernels"`
    leaves out normalisation and biases, as DeepLab's source does.

    Raises:
        pydantic.ValidationError: a value is not allowed.
    """

    # Strict, because pydantic would also accept "8" for 8 and `true` for 1.
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    optimizer: Literal["adamw", "adam", "sgd"] = "adamw"
    learning_rate: float = Field(default=1e-3, gt=0, le=10)
    encoder_learning_rate: float = Field(default=1.0, gt=0, le=100)
    weight_decay: float = Field(default=1e-4, ge=0, lt=1)
    weight_decay_on: Literal["all", "kernels"] = "all"
    schedule: Literal["poly", "cosine", "constant"] = "poly"
    warmup_epochs: int = Field(default=0, ge=0)
    clip_norm: float = Field(default=0.0, ge=0)
    ema: bool = False
    loss: Literal["crossentropy", "weighted_crossentropy", "focal", "dice", "crossentropy+dice", "lovasz", "ohem"] = (
        "crossentropy"
    )
    batch_size: int = Field(default=8, ge=1)
    freeze_encoder_epochs: int = Field(default=0, ge=0)
    augment: Literal["none", "flip", "standard", "strong", "scale"] = "flip"
    precision: Literal["auto", "float32", "mixed_float16", "mixed_bfloat16"] = "auto"

    @field_validator("weight_decay")
    @classmethod
    def _adam_has_none(cls, value: float, info: ValidationInfo) -> float:
        # Adam with decoupled weight decay is AdamW; without it, equal recipes could have different values here.
        return 0.0 if info.data.get("optimizer") == "adam" else value


def compile_model(
    model: keras.Model,
    recipe: Recipe,
    *,
    classes: int,
    ignore_index: int,
    total_steps: int,
    steps_per_epoch: int = 1,
    class_pixels: Sequence[int] | None = None,
) -> None:
    """Compile a network that ends in logits with its loss, metric and optimizer, ready to fit or to restore weights.

    Args:
        model: maps images to logits `[B, H, W, classes]`.
        recipe: the training choices.
        classes: number of outputs of the network, 1 for binary segmentation.
        ignore_index: label that neither loss nor metric counts.
        total_steps: optimizer steps in the study's `max_epochs`, over which the learning rate decays.
        steps_per_epoch: optimizer steps in one epoch.
        class_pixels: pixels of each class in the training split, for the loss that weights classes by them.
    """
    from deeplab.losses import make_loss
    from deeplab.metrics import ConfusionMatrix

    model.compile(
        optimizer=make_optimizer(recipe, total_steps, recipe.warmup_epochs * steps_per_epoch),
        loss=make_loss(recipe.loss, classes, ignore_index, class_pixels),
        metrics=[ConfusionMatrix(classes, ignore_index)],
        jit_compile=False,  # XLA was slower on CPUs and cannot compile the metric's `bincount`
    )
    if recipe.weight_decay_on == "kernels":
        # Normalisation and biases have one number per channel.
        flat = [variable for variable in model.trainable_variables if len(variable.shape) < 2]
        model.optimizer.exclude_from_weight_decay(var_list=flat)
    # Before the first step, so that Keras traces only once and a restored optimizer keeps its state.
    model.optimizer.build(model.trainable_variables)
    if recipe.encoder_learning_rate != 1.0:
        from deeplab import encoder_layers

        encoder = [variable for layer in encoder_layers(model) for variable in layer.trainable_variables]
        model.optimizer.scale_updates(encoder, recipe.encoder_learning_rate)


def make_optimizer(recipe: Recipe, total_steps: int, warmup_steps: int = 0) -> keras.optimizers.Optimizer:
    """The recipe's optimizer with its learning-rate schedule over `total_steps` optimizer steps."""
    import keras

    options: dict[str, Any] = {"weight_decay": recipe.weight_decay}
    if recipe.clip_norm:
        options["global_clipnorm"] = recipe.clip_norm
    if recipe.ema:
        options |= {"use_ema": True, "ema_momentum": EMA_MOMENTUM}
    kinds = {"adamw": keras.optimizers.AdamW, "adam": keras.optimizers.Adam, "sgd": keras.optimizers.SGD}
    if recipe.optimizer == "sgd":
        options["momentum"] = 0.9  # DeepLab's
    kind = kinds[recipe.optimizer]
    if recipe.ema or recipe.encoder_learning_rate != 1.0:
        from deeplab.optimizers import with_scaled_updates

        kind = with_scaled_updates(kind)
    return kind(make_schedule(recipe, total_steps, warmup_steps), **options)


def make_schedule(recipe: Recipe, total_steps: int, warmup_steps: int = 0) -> Any:
    """The learning rate of each step: a number, or a `keras.optimizers.schedules.LearningRateSchedule`."""
    from keras.optimizers import schedules

    rate: Any = recipe.learning_rate
    if recipe.schedule == "poly":
        # To 0: Keras's default end is 1e-4, to which a small learning rate would rise.
        rate = schedules.PolynomialDecay(rate, total_steps, end_learning_rate=0.0, power=0.9)
    elif recipe.schedule == "cosine":
        rate = schedules.CosineDecay(rate, total_steps)
    if warmup_steps:
        from deeplab.optimizers import Warmup

        return Warmup(rate, warmup_steps)
    return rate
