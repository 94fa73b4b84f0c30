"""The search space: a study's ranges -> KerasTuner hyperparameters -> Architecture and Recipe, and back.

A hyperparameter is *searched* (a list or a range in the study's `[space]`) or *fixed* (a value there, or not named:
then the tutorial's value or the study's `[recipe]`). Only searched ones become KerasTuner hyperparameters.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from itertools import product
from typing import TYPE_CHECKING, Any

import keras_tuner
from pydantic import ValidationError

from deeplab import Architecture, build_model, feature_map_size
from dimensions import CATALOGUE, MAX_BRANCHES, Dimension, SpaceError, Value, parse_dimension
from recipe import Recipe, compile_model

if TYPE_CHECKING:
    from pathlib import Path

    import keras

GAPS = tuple(f"aspp_gap_{branch}" for branch in range(2, MAX_BRANCHES + 1))
# A hyperparameter exists only where its parent is at least this large.
CONDITIONS: dict[str, tuple[str, int]] = {
    "aspp_rate": ("aspp_branches", 1),
    "aspp_separable": ("aspp_branches", 1),
    **{gap: ("aspp_branches", branch) for branch, gap in enumerate(GAPS, start=2)},
    "low_level_tap": ("low_level_filters", 1),
    "decoder_filters": ("decoder_depth", 1),
    "decoder_separable": ("decoder_depth", 1),
    "decoder_double_relu": ("decoder_depth", 1),
}
# Architecture fields that are hyperparameters under their own name.
SAME_NAME = (
    "encoder",
    "output_stride",
    "aspp_filters",
    "aspp_pooling",
    "aspp_separable",
    "aspp_dropout",
    "low_level_filters",
    "decoder_depth",
    "decoder_filters",
    "decoder_separable",
    "decoder_double_relu",
    "normalization",
)
TAPS = ("aspp_tap", "low_level_tap")


@dataclass(frozen=True)
class Space:
    """A validated search space for one image size.

    Make one with `Space.parse`. `fixed` holds the value of every hyperparameter that is not searched; taps that nobody
    named are absent there and default to the encoder's own. `notes` says what was pruned or looks unintended.
    """

    image_size: tuple[int, int]
    recipe: Recipe
    fixed: Mapping[str, Value]
    searched: Mapping[str, Dimension]
    notes: tuple[str, ...] = field(default=())

    @classmethod
    def parse(cls, table: Mapping[str, Any], *, recipe: Recipe, image_size: tuple[int, int]) -> Space:
        """The space of a study file's `[space]` table (without `encoder_weights`) over its `[recipe]`.

        Args:
            table: hyperparameter name -> value, list (choice) or `{min, max, step | sampling}`.
            recipe: supplies the training choices that the table doesn't name.
            image_size: (height, width) in pixels; rates that no feature map of it can use are dropped.

        Raises:
            SpaceError: unknown names, values that are not allowed, impossible ranges; all of them in one message.
        """
        problems: list[str] = []
        fixed: dict[str, Value] = {
            name: entry.tutorial for name, entry in CATALOGUE.items() if entry.tutorial is not None
        }
        fixed |= {name: value for name, value in recipe.model_dump().items() if name in CATALOGUE}
        searched: dict[str, Dimension] = {}
        for name, given in table.items():
            try:
                dimension = parse_dimension(name, given, fixed.get(name))
            except SpaceError as error:
                problems += error.problems
                continue
            if isinstance(dimension, Dimension):
                searched[name] = dimension
                fixed.pop(name, None)
            else:
                fixed[name] = dimension
        problems += _missing_parents(table, fixed, searched)
        notes: list[str] = []
        if not problems:
            problems += _drop_degenerate_rates(fixed, searched, image_size, notes)
        if problems:
            raise SpaceError(problems)
        ordered = {name: searched[name] for name in CATALOGUE if name in searched}
        space = cls(image_size, recipe, fixed, ordered, tuple(notes))
        space._check_taps()
        return space

    def declare(self, hp: keras_tuner.HyperParameters) -> dict[str, Value]:
        """Register every searched hyperparameter; returns the values of those that are active."""
        values: dict[str, Value] = {}
        for name, dimension in self.searched.items():
            with self._condition(hp, name):
                value = dimension.declare(hp, name)
            if value is not None and _applies(name, {**self.fixed, **values}):
                values[name] = value
        return values

    def hyperparameters(self) -> keras_tuner.HyperParameters:
        """The whole space, at its defaults."""
        hp = keras_tuner.HyperParameters()
        self.declare(hp)
        return hp

    def architecture(self, values: Mapping[str, Value]) -> Architecture:
        """The network at a point of the space; `values` may hold other keys beside the hyperparameters."""
        point = {**self.fixed, **values}
        fields: dict[str, Any] = {name: point[name] for name in SAME_NAME if point.get(name) is not None}
        fields["aspp_rates"] = _rates(point)
        fields |= {tap: _split_tap(tap, point[tap]) for tap in TAPS if point.get(tap) is not None}
        if fields["low_level_filters"] == 0:
            fields.pop("low_level_tap", None)
        return Architecture(**fields)

    def recipe_of(self, values: Mapping[str, Value]) -> Recipe:
        """The training choices at a point of the space."""
        searched = {name: values[name] for name in Recipe.model_fields if name in values}
        fixed = {name: self.fixed[name] for name in Recipe.model_fields if name in self.fixed}
        return Recipe(**{**self.recipe.model_dump(), **fixed, **searched})

    def values(self, architecture: Architecture, recipe: Recipe) -> dict[str, Value]:
        """The point of the space where this network and recipe lie: the inverse of `architecture` and `recipe_of`.

        Values outside the ranges are returned as they are, so that a baseline outside the space has a row too.
        """
        point = as_space(architecture, recipe)
        point |= {tap: self._tap_value(tap, architecture) for tap in TAPS if tap in point and tap in self.searched}
        return {name: point[name] for name in self.searched if name in point}

    def admits(self, values: Mapping[str, Value]) -> bool:
        """Whether every searched rate of the point reaches the feature map; fixed rates are the user's own choice."""
        point = {**self.fixed, **values}
        side = _side(self.image_size, int(point["output_stride"]))
        rate = least = 0
        for name in ("aspp_rate", *GAPS)[: int(point["aspp_branches"])]:
            rate += int(point[name])
            least += int(min(self.searched[name].values())) if name in self.searched else int(point[name])
            # A fixed step that no searched one before it could make room for is used as it is.
            if rate >= side and (name in self.searched or least < side):
                return False
        return True

    def baseline(self) -> tuple[Architecture, Recipe]:
        """The tutorial's choices with the study's encoder and recipe."""
        encoder = self.fixed.get("encoder") or self.searched["encoder"].default
        defaults = {name: self.searched[name].default for name in Recipe.model_fields if name in self.searched}
        return Architecture(encoder=str(encoder)), self.recipe_of(defaults)

    def _condition(self, hp: keras_tuner.HyperParameters, name: str) -> AbstractContextManager[Any]:
        parent, least = CONDITIONS.get(name, ("", 0))
        if parent not in self.searched:
            return nullcontext()
        return hp.conditional_scope(parent, [value for value in self.searched[parent].values() if value >= least])

    def _tap_value(self, tap: str, architecture: Architecture) -> Value:
        """The listed choice that names the architecture's tap layers (a choice may be a stage's name)."""
        for value in self.searched[tap].values():
            if _resolves(architecture, tap, value):
                return value
        layers = getattr(architecture, tap)
        return layers if isinstance(layers, str) else "+".join(layers)

    def _check_taps(self) -> None:
        """Build an `Architecture` for each encoder, output stride and pair of taps: a wrong layer name shows here."""
        problems: list[str] = []
        names = [name for name in ("encoder", "output_stride", *TAPS) if self._choices(name)]
        for choice in product(*(self._choices(name) for name in names)):
            fields: dict[str, Any] = {name: _split_tap(name, value) for name, value in zip(names, choice, strict=True)}
            try:
                Architecture(**fields)
            except ValidationError as error:
                problems.append(f"[space] {error.errors()[0]['loc'][0]}: {first_line(error)}")
        if problems:
            raise SpaceError(list(dict.fromkeys(problems)))

    def encoders(self) -> list[str]:
        """Every encoder of the space."""
        return self._choices("encoder")

    def _choices(self, name: str) -> list[Any]:
        if name in self.searched:
            return list(self.searched[name].values())
        return [self.fixed[name]] if name in self.fixed else []


class DeepLabHyperModel(keras_tuner.HyperModel):
    """The space as a `keras_tuner.HyperModel`, for our driver and for any stock KerasTuner tuner alike.

    Example:
    ```python
    space = Space.parse({"aspp_filters": [128, 256]}, recipe=Recipe(), image_size=(512, 512))
    model = DeepLabHyperModel(space, classes=1)
    tuner = keras_tuner.Hyperband(model, keras_tuner.Objective("val_mean_iou", "max"), max_epochs=9)
    tuner.search(train, validation_data=validation)  # tf.data of (images 0-255, integer masks)
    ```

    Args:
        space: the search space.
        classes: outputs of the network, 1 for binary.
        ignore_index: mask value that is no class.
        encoder_weights: see `deeplab.build_model`; or a table encoder -> weights.
        total_steps: optimizer steps of the longest training, over which the learning rate decays.
    """

    def __init__(
        self,
        space: Space,
        classes: int,
        *,
        ignore_index: int = 255,
        encoder_weights: str | Path | Mapping[str, str] | None = None,
        total_steps: int = 10_000,
    ) -> None:
        super().__init__(name="deeplab")
        self.space = space
        self.classes = classes
        self.ignore_index = ignore_index
        self.encoder_weights = encoder_weights
        self.total_steps = total_steps

    def build(self, hp: keras_tuner.HyperParameters) -> keras.Model:
        """A compiled network of RGB images (0-255) to logits, at the point that `hp` holds."""
        values = self.space.declare(hp)
        architecture = self.space.architecture(values)
        weights = self.encoder_weights
        if isinstance(weights, Mapping):
            weights = weights.get(architecture.encoder)
        model = build_model(
            architecture, self.space.image_size, self.classes, encoder_weights=weights, output="logits", atrous="fast"
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
    """A configuration as a `[space]` table in which everything is fixed."""
    rates = architecture.aspp_rates
    table: dict[str, Any] = {name: getattr(architecture, name) for name in SAME_NAME}
    table |= {"aspp_tap": architecture.aspp_tap, "aspp_branches": len(rates)}
    if architecture.low_level_tap:
        table["low_level_tap"] = "+".join(architecture.low_level_tap)
    table |= dict(zip(("aspp_rate", *GAPS), _steps(rates), strict=False))
    table |= {name: value for name, value in recipe.model_dump().items() if name in CATALOGUE}
    return {name: table[name] for name in CATALOGUE if name in table and _applies(name, table)}


def first_line(error: ValueError) -> str:
    """A pydantic error's own message without its frame, or the error's first line."""
    errors = getattr(error, "errors", None)
    text = errors()[0]["msg"] if callable(errors) else str(error)
    return str(text).removeprefix("Value error, ").splitlines()[0]


def _applies(name: str, point: Mapping[str, Any]) -> bool:
    """Whether a hyperparameter exists at a point that holds its parent."""
    parent, least = CONDITIONS.get(name, ("", 0))
    return not parent or point[parent] >= least


def _rates(point: Mapping[str, Any]) -> tuple[int, ...]:
    """Ascending dilation rates: the smallest, then each one a gap further."""
    rates: list[int] = []
    for name in ("aspp_rate", *GAPS)[: int(point["aspp_branches"])]:
        rates.append((rates[-1] if rates else 0) + int(point[name]))
    return tuple(rates)


def _steps(rates: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(rate - before for before, rate in zip((0, *rates), rates, strict=False))


def _side(image_size: tuple[int, int], output_stride: int) -> int:
    """The longer side of the ASPP's feature map: a rate as large as this samples padding alone off-centre."""
    return max(feature_map_size(image_size, output_stride))


def _split_tap(tap: str, value: Value) -> Value | tuple[str, ...]:
    return tuple(str(value).split("+")) if tap == "low_level_tap" else value


def _resolves(architecture: Architecture, tap: str, value: Value) -> bool:
    try:
        other = architecture.model_copy(update={tap: _split_tap(tap, value)})
        return getattr(Architecture(**other.model_dump()), tap) == getattr(architecture, tap)
    except ValueError:
        return False


def _missing_parents(
    table: Mapping[str, Any], fixed: Mapping[str, Value], searched: Mapping[str, Dimension]
) -> list[str]:
    """A hyperparameter that no point of the space has is a mistake, not something to ignore."""
    problems = []
    for name in table:
        parent, least = CONDITIONS.get(name, ("", 0))
        if not parent:
            continue
        largest = max(searched[parent].values()) if parent in searched else fixed.get(parent, least)
        if largest < least:  # type: ignore[operator]
            problems.append(f"[space] {name}: exists only where {parent} is at least {least}; {parent} is {largest}.")
    return problems


def _drop_degenerate_rates(
    fixed: Mapping[str, Value], searched: dict[str, Dimension], image_size: tuple[int, int], notes: list[str]
) -> list[str]:
    """Cut rates and gaps that reach only padding, even with all else at its smallest; warn of fixed ones."""
    strides = searched["output_stride"].values() if "output_stride" in searched else [fixed["output_stride"]]
    side = max(_side(image_size, int(stride)) for stride in strides)
    branches = max(searched["aspp_branches"].values()) if "aspp_branches" in searched else fixed["aspp_branches"]
    problems: list[str] = []
    smallest = 0
    for name in ("aspp_rate", *GAPS)[: int(branches)]:
        if name in searched:
            kept = searched[name].below(side - smallest)
            if kept is None:
                problems.append(
                    f"[space] {name}: nothing is left of the range: at {image_size[0]}x{image_size[1]} the feature "
                    f"map's longer side is {side}, and a dilation rate must be smaller. Allow smaller rates, fewer "
                    "branches, a larger image or a smaller output stride."
                )
                break
            if kept != searched[name]:
                notes.append(
                    f"{name}: values from {side - smallest} on are dropped: the rate would reach the feature map's "
                    f"side ({side}), where a dilated convolution sees padding alone."
                )
            searched[name] = kept
            smallest += int(min(kept.values()))
        else:
            smallest += int(fixed[name])
            if smallest >= side:
                notes.append(
                    f"{name}: the fixed dilation rate {smallest} reaches only padding on feature maps whose longer "
                    f"side is {side}; it acts as a 1x1 convolution."
                )
    return problems
