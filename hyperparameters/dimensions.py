"""What a study file may specify for each hyperparameter, and how it is parsed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args, get_origin

from deeplab import ENCODERS
from recipe import Recipe

Value = bool | int | float | str
MAX_BRANCHES = 5
# A stepped real range becomes a choice, and each of its values is listed in oracle.json and in tables.
MAX_STEPS = 1000


class SpaceError(ValueError):
    """The `[space]` table is wrong; `problems` contains one sentence per mistake."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = list(problems)


@dataclass(frozen=True)
class Entry:
    """A hyperparameter's type, its allowed values, and the tutorial's value (None: the encoder's own)."""

    kind: Literal["int", "float", "bool", "str"]
    tutorial: Value | None = None
    low: float = 0
    high: float = float("inf")
    allowed: tuple[Value, ...] = ()


def _training_choice(name: str, low: float = 0, high: float = float("inf")) -> Entry:
    """A field of `Recipe` as a hyperparameter; its bounds are given here, because a range includes its ends."""
    field = Recipe.model_fields[name]
    if get_origin(field.annotation) is Literal:
        return Entry("str", field.default, allowed=get_args(field.annotation))
    if field.annotation is bool:
        return Entry("bool", field.default)
    return Entry("int" if field.annotation is int else "float", field.default, low, high)


CATALOGUE: dict[str, Entry] = {
    "encoder": Entry("str", "ResNet50", allowed=tuple(ENCODERS)),
    "output_stride": Entry("int", 16, allowed=(8, 16, 32)),
    "aspp_tap": Entry("str"),
    "aspp_filters": Entry("int", 256, 1, 4096),
    "aspp_branches": Entry("int", 3, 0, MAX_BRANCHES),
    # Rates need no tight bound: those that do not fit the feature map are cut from the range.
    "aspp_rate": Entry("int", 6, 1, 10_000),
    **{f"aspp_gap_{branch}": Entry("int", 6, 1, 10_000) for branch in range(2, MAX_BRANCHES + 1)},
    "aspp_pooling": Entry("bool", True),
    "aspp_separable": Entry("bool", False),
    "aspp_dropout": Entry("float", 0.0, 0, 0.95),
    "low_level_filters": Entry("int", 48, 0, 4096),
    "low_level_tap": Entry("str"),
    "decoder_depth": Entry("int", 2, 0, 4),
    "decoder_filters": Entry("int", 256, 1, 4096),
    "decoder_separable": Entry("bool", False),
    "decoder_double_relu": Entry("bool", True),
    "normalization": Entry("str", "batch", allowed=("batch", "group")),
    "optimizer": _training_choice("optimizer"),
    # `Recipe` requires a rate above 0, and a range includes its ends.
    "learning_rate": _training_choice("learning_rate", 1e-9, 10),
    "encoder_learning_rate": _training_choice("encoder_learning_rate", 1e-9, 100),
    "weight_decay": _training_choice("weight_decay", 0, 0.999),
    "weight_decay_on": _training_choice("weight_decay_on"),
    "schedule": _training_choice("schedule"),
    "warmup_epochs": _training_choice("warmup_epochs"),
    "clip_norm": _training_choice("clip_norm"),
    "ema": _training_choice("ema"),
    "loss": _training_choice("loss"),
    "batch_size": _training_choice("batch_size", 1),
    "freeze_encoder_epochs": _training_choice("freeze_encoder_epochs"),
    "augment": _training_choice("augment"),
    "precision": _training_choice("precision"),
}

# Names that are easily mistaken for hyperparameters, because they are fields of `Architecture`.
HINTS = {
    "aspp_rates": "rates are given by aspp_branches, aspp_rate (the smallest) and aspp_gap_2, ... (the step to each "
    "next one), so that they ascend"
}


@dataclass(frozen=True)
class Dimension:
    """A searched hyperparameter: a choice (`choices`) or a range (`low` to `high`, both included)."""

    kind: Literal["int", "float", "bool", "str"]
    default: Value
    choices: tuple[Value, ...] = ()
    low: float = 0
    high: float = 0
    step: int | None = None
    log: bool = False

    def hyperparameter(self, name: str, conditions: Sequence[Any] = ()) -> Any:
        """The KerasTuner hyperparameter with this name, active under these KerasTuner conditions."""
        from keras_tuner.engine import hyperparameters as kinds

        arguments: dict[str, Any] = {"name": name, "default": self.default, "conditions": list(conditions)}
        if self.kind == "bool":
            return kinds.Boolean(**arguments)
        if self.choices:
            return kinds.Choice(values=list(self.choices), **arguments)
        arguments |= {"sampling": "log" if self.log else "linear"}
        if self.kind == "int":
            # With logarithmic sampling, KerasTuner multiplies by the step and refuses 1.
            step = None if self.log else int(self.step or 1)
            return kinds.Int(min_value=int(self.low), max_value=int(self.high), step=step, **arguments)
        return kinds.Float(min_value=self.low, max_value=self.high, **arguments)

    @property
    def size(self) -> int | None:
        """The number of values; None for a range of real numbers."""
        return None if self.kind == "float" and not self.choices else len(self.values())

    def values(self) -> tuple[Any, ...]:
        """Every value of a choice or whole-number range; the two ends of a real range."""
        if self.choices:
            return self.choices
        if self.kind == "int":
            return tuple(range(int(self.low), int(self.high) + 1, int(self.step or 1)))
        return (self.low, self.high)

    def holds(self, value: Any) -> bool:
        """Whether a value is one of these."""
        return value in self.values() if self.size is not None else bool(self.low <= value <= self.high)

    def below(self, limit: int) -> Dimension | None:
        """The part of a whole-number dimension below `limit`, or None if nothing is left."""
        kept = tuple(value for value in self.values() if value < limit)
        if not kept:
            return None
        default = self.default if self.default in kept else kept[-1]
        if self.choices:
            return replace(self, choices=kept, default=default)
        return replace(self, high=kept[-1], default=default)

    def __str__(self) -> str:
        if self.choices:
            return ", ".join(str(choice) for choice in self.choices)
        detail = ", log" if self.log else f", step {self.step}" if self.step and self.step != 1 else ""
        return f"{self.low:g} .. {self.high:g}{detail}"


def plain(values: Mapping[str, Any]) -> dict[str, Any]:
    """A trial's values under their user-facing names, without KerasTuner's own (`tuner/...`)."""
    return {name.rpartition("/")[2]: value for name, value in values.items() if not name.startswith("tuner/")}


def parse_dimension(name: str, given: Any, default: Value | None) -> Dimension | Value:
    """Read one entry of `[space]`: a fixed value, a choice, or a range.

    Args:
        name: the hyperparameter.
        given: its value in the study file.
        default: the value to start from, if the range contains it.

    Raises:
        SpaceError: the name is unknown, the type is wrong, a value is not allowed, or the range is impossible.
    """
    entry = CATALOGUE.get(name)
    if entry is None:
        instead = HINTS.get(name) or f"available: {', '.join(CATALOGUE)}"
        raise SpaceError([f"[space] {name}: no such hyperparameter; {instead}."])
    if isinstance(given, dict):
        return _parse_range(name, entry, given, default)
    if isinstance(given, list):
        return _parse_choice(name, entry, given, default)
    return _check_value(name, entry, given)


def _parse_choice(name: str, entry: Entry, given: list[Any], default: Value | None) -> Dimension | Value:
    if not given:
        raise SpaceError([f"[space] {name}: given an empty list; list the values to choose from."])
    # Without repetitions: a value that is listed twice would be drawn twice as often.
    choices = tuple(dict.fromkeys(_check_value(name, entry, item) for item in given))
    if len(choices) == 1:
        return choices[0]
    return Dimension(entry.kind, default if default in choices else choices[0], choices)


def _parse_range(name: str, entry: Entry, given: dict[str, Any], default: Value | None) -> Dimension | Value:
    if entry.kind not in ("int", "float"):
        raise SpaceError([f"[space] {name}: given a range; expected a value or a list of values."])
    unknown = set(given) - {"min", "max", "step", "sampling"}
    if unknown or not {"min", "max"} <= set(given):
        raise SpaceError([f"[space] {name}: given {given}; expected {{min=, max=, step= | sampling='log'}}."])
    low, high = (_check_value(name, entry, given[end]) for end in ("min", "max"))
    log = _check_sampling(name, given, low)
    step = given.get("step")
    if low > high:  # type: ignore[operator]
        raise SpaceError([f"[space] {name}: min (={low}) must not be above max (={high})."])
    if step is not None and (isinstance(step, bool) or not isinstance(step, int | float) or step <= 0):
        raise SpaceError([f"[space] {name}: step must be a number above 0; given {step!r}."])
    if step is not None and entry.kind == "int" and not isinstance(step, int):
        raise SpaceError([f"[space] {name}: step must be a whole number; given {step!r}."])
    # A range of a single value is a fixed value: there is nothing to search.
    if low == high:
        return low
    if entry.kind == "float" and step is not None:
        return _parse_choice(name, entry, _steps(name, float(low), float(high), step), default)
    dimension = Dimension(entry.kind, low, (), float(low), float(high), None if step is None else int(step), log)
    return replace(dimension, default=_default_in_range(dimension, low, default))


def _steps(name: str, low: float, high: float, step: float) -> list[float]:
    """The values of a stepped range of real numbers; KerasTuner's own may omit `high` because of rounding."""
    # The margin absorbs rounding, so that (0.3 - 0.1) / 0.1 counts as 2 steps.
    count = int((high - low) / step + 1e-6) + 1
    if count > MAX_STEPS:
        raise SpaceError(
            [f"[space] {name}: step (={step:g}) gives {count:,} values; at most {MAX_STEPS:,} are allowed."]
        )
    # Twelve digits hide the rounding of the sum: 0.3, not 0.30000000000000004.
    return [float(f"{low + index * step:.12g}") for index in range(count)]


def _check_sampling(name: str, given: dict[str, Any], low: Value) -> bool:
    sampling = given.get("sampling", "linear")
    if sampling not in ("linear", "log"):
        raise SpaceError([f"[space] {name}: sampling must be 'linear' or 'log'; given {sampling!r}."])
    if sampling == "log" and low <= 0:  # type: ignore[operator]
        raise SpaceError([f"[space] {name}: sampling 'log' needs min above 0; given {low}."])
    if sampling == "log" and "step" in given:
        raise SpaceError([f"[space] {name}: give either step or sampling = 'log', not both."])
    return sampling == "log"


def _default_in_range(dimension: Dimension, low: Value, default: Value | None) -> Value:
    if default is None:
        return low
    if dimension.kind == "int":
        # Off the range's steps, the default could not be drawn.
        return default if default in dimension.values() else low
    return float(default) if dimension.low <= float(default) <= dimension.high else float(low)


def _check_value(name: str, entry: Entry, given: Any) -> Value:
    # KerasTuner's values are scalars, so several taps become one name.
    if name == "low_level_tap" and isinstance(given, list) and given and all(isinstance(tap, str) for tap in given):
        return "+".join(given)
    types = {"int": int, "float": (int, float), "bool": bool, "str": str}
    words = {"int": "a whole number", "float": "a number", "bool": "true or false", "str": "a name"}
    # In Python, `True` is also an `int`.
    is_type = isinstance(given, types[entry.kind]) and (entry.kind == "bool" or not isinstance(given, bool))  # type: ignore[arg-type]
    if not is_type:
        raise SpaceError([f"[space] {name}: given {given!r}; expected {words[entry.kind]}."])
    if entry.allowed and given not in entry.allowed:
        allowed = ", ".join(str(value) for value in entry.allowed)
        raise SpaceError([f"[space] {name}: given {given!r}; allowed: {allowed}."])
    if entry.kind in ("int", "float") and not entry.low <= given <= entry.high:
        bounds = f"at least {entry.low:g}" if entry.high == float("inf") else f"{entry.low:g} to {entry.high:g}"
        raise SpaceError([f"[space] {name}: given {given}; allowed: {bounds}."])
    # 1 and 1.0 are one value, in CSV files too.
    return float(given) if entry.kind == "float" else given
