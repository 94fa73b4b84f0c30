"""The search space: a study's ranges -> KerasTuner hyperparameters -> Architecture and Recipe, and back.

A hyperparameter is *searched* (a list or a range in the study's `[space]`) or *fixed* (a value there; or, if not
listed, the tutorial's value or that in the study's `[recipe]`). Only searched ones become KerasTuner hyperparameters.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import keras_tuner

from deeplab import Architecture, build_model
from hyperparameters.counting import count_points
from hyperparameters.dimensions import CATALOGUE, Dimension, SpaceError, Value, parse_dimension, plain
from hyperparameters.offers import Offer, applies, missing_parents, scope_of
from hyperparameters.rates import Rates, drop_degenerate, rates_at, steps_of
from hyperparameters.taps import TAPS, TapChoices, Written, parse_tap, split_tap, tap_layers
from recipe import Recipe, compile_model

if TYPE_CHECKING:
    from pathlib import Path

    import keras

# Fields of `Architecture` that are hyperparameters with the same name.
# Taps are left out: their values in the space are not layers, but names that the encoder resolves.
SAME_NAME = tuple(name for name in Architecture.model_fields if name in CATALOGUE and name not in TAPS)


@dataclass(frozen=True)
class Space:
    """A validated search space for one image size.

    Create one with `Space.parse`. `fixed` contains the value of every hyperparameter that is not searched; taps that
    the study file does not mention are absent and default to the encoder's own. `offers` are the searched
    hyperparameters as KerasTuner sees them. `notes` says what was pruned or looks unintended.

    A *point* maps KerasTuner's names to values, for each offer that exists there. No two points are the same
    configuration.
    """

    image_size: tuple[int, int]
    recipe: Recipe
    fixed: Mapping[str, Value]
    searched: Mapping[str, Dimension]
    offers: tuple[Offer, ...] = field(default=())
    notes: tuple[str, ...] = field(default=())

    @classmethod
    def parse(cls, table: Mapping[str, Any], *, recipe: Recipe, image_size: tuple[int, int]) -> Space:
        """The space of a study file's `[space]` table (without `encoder_weights`), given its `[recipe]`.

        Args:
            table: hyperparameter name -> value, list (choice) or `{min, max, step | sampling}`; for a tap also a table
                encoder -> value or list.
            recipe: supplies the training choices that are not in the table.
            image_size: (height, width) in pixels; rates that are too large for its feature maps are dropped.

        Raises:
            SpaceError: unknown names, values that are not allowed, impossible ranges; all of them in one message.
        """
        fixed, searched, taps = _read(table, recipe)
        notes = drop_degenerate(image_size, fixed, searched)
        choices = TapChoices(fixed, searched, taps)
        choices.offer()
        # KerasTuner needs a parent before what depends on it, and the catalogue is in such an order.
        ordered = {name: searched[name] for name in CATALOGUE if name in searched}
        offers: list[Offer] = []
        for name, dimension in ordered.items():
            of_tap = [offer for offer in choices.offers if offer.name == name]
            offers += of_tap or [Offer(name, dimension, scope_of(name, searched))]
        return cls(image_size, recipe, fixed, ordered, tuple(offers), (*notes, *choices.notes))

    def declare(self, hp: keras_tuner.HyperParameters) -> dict[str, Value]:
        """Register every offer; return the point that `hp` describes."""
        values = {offer.key: offer.declare(hp) for offer in self.offers}
        # A hyperparameter without a value does not exist at this point.
        return {key: value for key, value in values.items() if value is not None}

    def hyperparameters(self) -> keras_tuner.HyperParameters:
        """The whole space, with every hyperparameter at its default."""
        hp = keras_tuner.HyperParameters()
        self.declare(hp)
        return hp

    def architecture(self, values: Mapping[str, Value]) -> Architecture:
        """The network at a point of the space; `values` may contain other keys besides the hyperparameters."""
        point = {**self.fixed, **plain(values)}
        fields: dict[str, Any] = {name: point[name] for name in SAME_NAME if point.get(name) is not None}
        fields["aspp_rates"] = rates_at(point)
        fields |= {tap: split_tap(tap, point[tap]) for tap in TAPS if point.get(tap) is not None}
        if fields["low_level_filters"] == 0:
            fields.pop("low_level_tap", None)
        return Architecture(**fields)

    def recipe_of(self, values: Mapping[str, Value]) -> Recipe:
        """The training choices at a point of the space."""
        searched = {name: values[name] for name in Recipe.model_fields if name in values}
        fixed = {name: self.fixed[name] for name in Recipe.model_fields if name in self.fixed}
        return Recipe(**{**self.recipe.model_dump(), **fixed, **searched})

    def values(self, architecture: Architecture, recipe: Recipe) -> dict[str, Value]:
        """The point of the space for this network and recipe: the inverse of `architecture` and `recipe_of`.

        Values outside the ranges are returned unchanged, so that a baseline outside the space can be recorded too.
        """
        configuration = as_space(architecture, recipe)
        point: dict[str, Value] = {}
        for name in self.searched:
            if name not in configuration:
                continue
            if name in TAPS:
                offers = [offer for offer in self.offers if offer.name == name]
                offer = next((offer for offer in offers if offer.exists_at(point)), Offer(name, self.searched[name]))
                point[offer.key] = _tap_value(offer, architecture, configuration[name])
            else:
                point[name] = configuration[name]
        return point

    def admits(self, values: Mapping[str, Value]) -> bool:
        """Whether every searched rate of the point reaches the feature map; fixed rates are up to the user."""
        return self.rates.admit({**self.fixed, **plain(values)})

    def count_networks(self) -> int:
        """How many networks the space holds, before limits; a range of real numbers counts as one value."""
        return count_points(self.offers, self.fixed, self.rates, ignored=Recipe.model_fields.keys())

    def count_configurations(self) -> int | None:
        """How many configurations the space holds, before limits; None where a range of real numbers has no end."""
        # Even one real range makes every draw a new configuration.
        if any(offer.dimension.size is None for offer in self.offers):
            return None
        return count_points(self.offers, self.fixed, self.rates)

    def holds(self, architecture: Architecture, recipe: Recipe) -> bool:
        """Whether a configuration is one of the points of the space."""
        point = self.values(architecture, recipe)
        exist = [offer for offer in self.offers if offer.exists_at(point)]
        if not all(offer.key in point and offer.dimension.holds(point[offer.key]) for offer in exist):
            return False
        # What is not searched has to agree as well.
        return (self.architecture(point), self.recipe_of(point)) == (architecture, recipe)

    @property
    def rates(self) -> Rates:
        """The space's dilation rates."""
        return Rates(self.image_size, self.fixed, self.searched)

    def baseline(self) -> tuple[Architecture, Recipe]:
        """The tutorial's choices with the study's encoder and recipe."""
        encoder = self.fixed.get("encoder") or self.searched["encoder"].default
        defaults = {name: self.searched[name].default for name in Recipe.model_fields if name in self.searched}
        return Architecture(encoder=str(encoder)), self.recipe_of(defaults)

    def encoders(self) -> list[str]:
        """All encoders of the space."""
        dimension = self.searched.get("encoder")
        return [str(name) for name in (dimension.values() if dimension else (self.fixed["encoder"],))]


class DeepLabHyperModel(keras_tuner.HyperModel):
    """The space as a `keras_tuner.HyperModel`, for our driver and for any stock KerasTuner tuner.

    Example:
    ```python
    space = Space.parse({"aspp_filters": [128, 256]}, recipe=Recipe(), image_size=(512, 512))
    model = DeepLabHyperModel(space, classes=1)
    tuner = keras_tuner.Hyperband(model, keras_tuner.Objective("val_mean_iou", "max"), max_epochs=9)
    tuner.search(train, validation_data=validation)  # tf.data of (images 0-255, integer masks)
    ```

    Args:
        space: the search space.
        classes: number of outputs of the network, 1 for binary segmentation.
        ignore_index: mask value that is not a class.
        encoder_weights: see `deeplab.build_model`; or a mapping encoder -> weights.
        channels: of the images.
        total_steps: optimizer steps of the longest training, over which the learning rate decays.
    """

    def __init__(
        self,
        space: Space,
        classes: int,
        *,
        ignore_index: int = 255,
        encoder_weights: str | Path | Mapping[str, str] | None = None,
        channels: int = 3,
        total_steps: int = 10_000,
    ) -> None:
        super().__init__(name="deeplab")
        self.space = space
        self.classes = classes
        self.ignore_index = ignore_index
        self.encoder_weights = encoder_weights
        self.channels = channels
        self.total_steps = total_steps

    def build(self, hp: keras_tuner.HyperParameters) -> keras.Model:
        """The compiled network at the point that `hp` describes; it maps images (0-255) to logits."""
        values = self.space.declare(hp)
        architecture = self.space.architecture(values)
        weights = self.encoder_weights
        if isinstance(weights, Mapping):
            weights = weights.get(architecture.encoder)
        model = build_model(
            architecture,
            self.space.image_size,
            self.classes,
            encoder_weights=weights,
            output="logits",
            atrous="fast",
            channels=self.channels,
        )
        compile_model(
            model,
            self.space.recipe_of(values),
            classes=self.classes,
            ignore_index=self.ignore_index,
            total_steps=self.total_steps,
        )
        return model


def as_space(architecture: Architecture, recipe: Recipe) -> dict[str, Any]:
    """A configuration as a `[space]` table in which every hyperparameter is fixed."""
    table: dict[str, Any] = {name: getattr(architecture, name) for name in SAME_NAME}
    table |= {"aspp_tap": architecture.aspp_tap, "aspp_branches": len(architecture.aspp_rates)}
    if architecture.low_level_tap:
        table["low_level_tap"] = "+".join(architecture.low_level_tap)
    table |= steps_of(architecture.aspp_rates)
    table |= {name: value for name, value in recipe.model_dump().items() if name in CATALOGUE}
    return {name: table[name] for name in CATALOGUE if name in table and applies(name, table)}


def _read(
    table: Mapping[str, Any], recipe: Recipe
) -> tuple[dict[str, Value], dict[str, Dimension], dict[str, Written]]:
    """What is fixed, what is searched, and what is given for the taps; raises all mistakes in one SpaceError."""
    # All mistakes are collected, so that a file is corrected once.
    problems: list[str] = []
    fixed: dict[str, Value] = {name: entry.tutorial for name, entry in CATALOGUE.items() if entry.tutorial is not None}
    fixed |= {name: value for name, value in recipe.model_dump().items() if name in CATALOGUE}
    searched: dict[str, Dimension] = {}
    taps: dict[str, Written] = {}
    for name, given in table.items():
        try:
            if name in TAPS:
                taps[name] = parse_tap(name, given)
                continue
            # The tutorial's value, or the recipe's, is the default of a search that includes it.
            dimension = parse_dimension(name, given, fixed.get(name))
        except SpaceError as error:
            problems += error.problems
            continue
        if isinstance(dimension, Dimension):
            searched[name] = dimension
            fixed.pop(name, None)
        else:
            fixed[name] = dimension
    problems += missing_parents(table, fixed, searched)
    if problems:
        raise SpaceError(problems)
    return fixed, searched, taps


def _tap_value(offer: Offer, architecture: Architecture, layers: Value) -> Value:
    """The choice that refers to the architecture's tap (it may be a stage's name), or else the layers themselves."""
    for choice in offer.dimension.choices:
        try:
            found = tap_layers(
                offer.name, choice, architecture.encoder, architecture.output_stride, architecture.aspp_tap
            )
        except ValueError:
            continue  # the choice belongs to another encoder or output stride
        if found == layers:
            return choice
    return layers
