"""Trains configurations whose networks differ in dilation rates alone, all at once, by JAX.

As the project's own `Trainer` does, from the same initializers, in the same order, with the same loss, schedule and
AdamW; the weights of all members are arrays with one more axis. Needs JAX, Keras on it, and neither TensorFlow nor
KerasTuner.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import keras
import numpy as np
from jax.flatten_util import ravel_pytree

from benchmarks.tables.layers import set_rates, with_products
from benchmarks.tables.plan import (
    BATCH_SIZE,
    EPOCHS,
    IMAGE_SIZE,
    Configuration,
    Scenes,
    epoch_orders,
    in_batches,
    member_seed,
)
from deeplab import Architecture, build_model
from deeplab.losses import make_loss
from deeplab.metrics import predicted_classes, scores
from recipe import EMA_MOMENTUM, Recipe, make_schedule
from search.trial.normalization import adapt_batch_normalization

# Keras's AdamW.
BETA_1, BETA_2, EPSILON = 0.9, 0.999, 1e-7
IGNORE_INDEX = 255
# What is recorded after every epoch: mean IoU by the weights and by their average, of both splits; and two more.
SCORES = ("scores", "test", "averaged_scores", "averaged_test")
RECORDED = (*SCORES, "losses", "seconds")


class Member(NamedTuple):
    """One training: a configuration from one seed."""

    configuration: Configuration
    repeat: int


class State(NamedTuple):
    """The weights of one member, the trainable ones in one vector, their running average, and AdamW's moments."""

    weights: Any
    averaged: Any
    others: Any
    first: Any
    second: Any
    step: Any


class Choices(NamedTuple):
    """The choices of one member: rate and batch of each step, and AdamW's decay."""

    learning_rate: Any
    order: Any
    mirrored: Any
    weight_decay: Any

    def of_epoch(self, epoch: int) -> Choices:
        """Those of one epoch, counted from 0."""
        return Choices(self.learning_rate[epoch], self.order[epoch], self.mirrored[epoch], self.weight_decay)


class Data(NamedTuple):
    """The scenes on the device; those to be scored, of both splits, in batches `[2, N / B, B, H, W, ...]`."""

    images: Any
    masks: Any
    scored_images: Any
    scored_masks: Any


def train_group(members: Sequence[Member], scenes: Scenes, epochs: int = EPOCHS) -> list[dict[str, Any]]:
    """Train members of one group; a row for each, with the mean IoU after every epoch and its seconds.

    It is measured on validation and test scenes, by the weights and by their running average. The seconds are the
    member's share of the group's, and the first epoch's include the compilation.
    """
    # Networks are built and their weights drawn on the processor: on a GPU each small step would be compiled for it.
    with jax.default_device(jax.devices("cpu")[0]):
        model = build_shared(members[0].configuration.network(), len(scenes.class_names), len(scenes.train[0]))
        states = [initial_state(model, member) for member in members]
        choices = [choices_of(member, len(scenes.train[0])) for member in members]
    state = jax.tree.map(lambda *each: np.stack(each), *states)
    _, unravel = ravel_pytree([variable.value for variable in model.trainable_variables])
    run = make_epoch(model, unravel, len(scenes.class_names))
    scored = zip(in_batches(scenes.val, BATCH_SIZE), in_batches(scenes.test, BATCH_SIZE), strict=True)
    data = Data(*(jax.device_put(array) for array in (*scenes.train, *map(np.stack, scored))))
    rows: list[dict[str, Any]] = [
        {"number": member.configuration.number, "repeat": member.repeat, **{name: [] for name in RECORDED}}
        for member in members
    ]
    for epoch in range(epochs):
        started = time.perf_counter()
        chosen = jax.tree.map(lambda *each: np.stack(each), *(each.of_epoch(epoch) for each in choices))
        state, losses, matrices = run(state, chosen, data)
        matrices = np.asarray(matrices)
        seconds = (time.perf_counter() - started) / len(members)
        for row, loss, found in zip(rows, np.asarray(losses), matrices, strict=True):
            for name, matrix in zip(SCORES, found.reshape(len(SCORES), *found.shape[-2:]), strict=True):
                row[name].append(round(scores(matrix.astype(np.int64), scenes.class_names)["mean_iou"], 5))
            row["losses"].append(round(float(loss), 5))
            row["seconds"].append(round(seconds, 4))
    return rows


def build_shared(architecture: Architecture, classes: int, images: int) -> keras.Model:
    """The network that all members of a group share: their dilation rates are weights of it."""
    # Ascending stand-ins above 1, so that the layers have the order of the members' own rates.
    stand_ins = tuple(range(2, 2 + len(architecture.aspp_rates)))
    shared = Architecture(**{**architecture.model_dump(), "aspp_rates": stand_ins})
    model = with_products(build_model(shared, IMAGE_SIZE, classes, output="logits"))
    adapt_batch_normalization(model, images // BATCH_SIZE)
    return model


def initial_state(model: keras.Model, member: Member) -> State:
    """Random weights, drawn by the layers' own initializers from the member's seed."""
    rng = np.random.default_rng(member_seed(member.configuration.number, member.repeat))
    drawn = {}
    for layer in model.layers:
        kernel = getattr(layer, "kernel", None)
        if kernel is not None:
            initializer = getattr(layer, "depthwise_initializer", None) or layer.kernel_initializer
            options = {**initializer.get_config(), "seed": int(rng.integers(2**31))}
            drawn[id(kernel)] = np.asarray(type(initializer).from_config(options)(kernel.shape))
    values = [drawn.get(id(variable), np.asarray(variable.value)) for variable in model.trainable_variables]
    others = [np.asarray(variable.value) for variable in model.non_trainable_variables]
    others = set_rates(model, others, list(member.configuration.architecture["aspp_rates"]))
    flat = np.concatenate([value.reshape(-1) for value in values])
    return State(flat, flat, others, np.zeros_like(flat), np.zeros_like(flat), np.float32(0))


def choices_of(member: Member, images: int) -> Choices:
    """All epochs of a member."""
    recipe: Recipe = member.configuration.training()
    seed = member_seed(member.configuration.number, member.repeat)
    order, mirrored = epoch_orders(seed, images, recipe.batch_size, recipe.augment == "flip")
    steps = EPOCHS * order.shape[1]
    rates = np.asarray(make_schedule(recipe, steps)(np.arange(steps, dtype=np.float32)), np.float32)
    return Choices(rates.reshape(EPOCHS, -1), order, mirrored, np.float32(recipe.weight_decay))


def make_epoch(model: keras.Model, unravel: Callable[[Any], Any], classes: int) -> Callable[..., Any]:
    """`(states, choices, data) -> (states, mean losses, confusion matrices)`: one epoch of all members, compiled.

    The matrices are `[members, 2, 2, classes, classes]`: by the weights and their average, of both splits.
    """
    loss = make_loss("crossentropy", classes, IGNORE_INDEX)

    def loss_of(flat: Any, others: Any, images: Any, masks: Any) -> tuple[Any, Any]:
        logits, others = model.stateless_call(unravel(flat), others, images, training=True)
        return loss(masks, logits), others

    def step(state: State, chosen: Choices, data: Data) -> tuple[State, Any]:
        images = _mirrored(data.images[chosen.order].astype("float32"), chosen.mirrored)
        masks = _mirrored(data.masks[chosen.order], chosen.mirrored)
        derivative = jax.value_and_grad(loss_of, has_aux=True)
        (value, others), gradient = derivative(state.weights, state.others, images, masks)
        return adamw(state, gradient, chosen)._replace(others=others), value

    def confusion(weights: Any, others: Any, images: Any, masks: Any) -> Any:
        logits, _ = model.stateless_call(unravel(weights), others, images.astype("float32"), training=False)
        truth, predicted = (jax.nn.one_hot(ids, classes) for ids in (masks, predicted_classes(logits, classes)))
        # Each sum is a whole number below 2 ** 24, so float32 counts exactly.
        return jnp.einsum("bhwt,bhwp->tp", truth, predicted)

    def epoch(state: State, choices: Choices, data: Data) -> tuple[State, Any, Any]:
        decays = jnp.broadcast_to(choices.weight_decay, choices.learning_rate.shape)
        state, values = jax.lax.scan(partial(step, data=data), state, choices._replace(weight_decay=decays))

        def of_split(weights: Any, split: Any) -> Any:
            # Batch by batch, because the maps of all members at once would fill a GPU.
            return jnp.sum(jax.lax.map(lambda batch: confusion(weights, state.others, *batch), split), axis=0)

        def of_weights(weights: Any) -> Any:
            return jax.lax.map(partial(of_split, weights), (data.scored_images, data.scored_masks))

        return state, jnp.mean(values), jax.lax.map(of_weights, jnp.stack([state.weights, state.averaged]))

    return jax.jit(jax.vmap(epoch, in_axes=(0, 0, None)), donate_argnums=0)


def _mirrored(batch: Any, which: Any) -> Any:
    """A batch `[B, H, W, ...]` in which the chosen ones `[B]` are mirrored."""
    return jnp.where(which.reshape(-1, *(1,) * (batch.ndim - 1)), jnp.flip(batch, axis=2), batch)


def adamw(state: State, gradient: Any, chosen: Choices) -> State:
    """One step of Keras's AdamW (Loshchilov and Hutter 2019) on all weights as one vector."""
    step, rate = state.step + 1, chosen.learning_rate
    size = rate * jnp.sqrt(1 - BETA_2**step) / (1 - BETA_1**step)
    first = state.first + (gradient - state.first) * (1 - BETA_1)
    second = state.second + (gradient**2 - state.second) * (1 - BETA_2)
    weights = state.weights * (1 - chosen.weight_decay * rate) - first * size / (jnp.sqrt(second) + EPSILON)
    averaged = state.averaged + (weights - state.averaged) * (1 - EMA_MOMENTUM)
    return State(weights, averaged, state.others, first, second, step)
