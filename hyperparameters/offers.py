"""What a study offers for searching: each hyperparameter with its values and the condition under which it exists."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from keras_tuner.src.engine.conditions import Parent

from hyperparameters.dimensions import MAX_BRANCHES, Dimension, Value

if TYPE_CHECKING:
    import keras_tuner

GAPS = tuple(f"aspp_gap_{branch}" for branch in range(2, MAX_BRANCHES + 1))


@dataclass(frozen=True)
class Condition:
    """A hyperparameter exists only where `parent` is at least `least`, or one of `values`."""

    parent: str
    least: int = 0
    values: tuple[Value, ...] = ()

    def holds(self, value: Any) -> bool:
        """Whether the hyperparameter exists at this value of the parent."""
        return value in self.values if self.values else bool(value >= self.least)

    @property
    def wanted(self) -> str:
        """The required value of the parent, in words."""
        return " or ".join(str(value) for value in self.values) if self.values else f"at least {self.least}"


CONDITIONS: dict[str, Condition] = {
    "aspp_rate": Condition("aspp_branches", 1),
    "aspp_separable": Condition("aspp_branches", 1),
    **{gap: Condition("aspp_branches", branch) for branch, gap in enumerate(GAPS, start=2)},
    "low_level_tap": Condition("low_level_filters", 1),
    "decoder_filters": Condition("decoder_depth", 1),
    "decoder_separable": Condition("decoder_depth", 1),
    "decoder_double_relu": Condition("decoder_depth", 1),
    # Plain Adam has no weight decay: with decoupled weight decay it would be AdamW.
    "weight_decay": Condition("optimizer", values=("adamw", "sgd")),
}


@dataclass(frozen=True)
class Offer:
    """A hyperparameter as KerasTuner sees it.

    Attributes:
        name: as in study files, CSV files and TensorBoard.
        dimension: its possible values.
        scope: KerasTuner's name of a searched parent -> the parent's values at which this hyperparameter exists.
        key: KerasTuner's name for it. A tap whose choices differ by encoder is one hyperparameter per encoder
            (`ResNet50/low_level_tap`), because KerasTuner's `ensure_active_values` loses the values of hyperparameters
            that share a name.
    """

    name: str
    dimension: Dimension
    scope: Mapping[str, tuple[Value, ...]] = field(default_factory=dict)
    key: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "key", self.key or self.name)

    def declare(self, hp: keras_tuner.HyperParameters) -> Value | None:
        """Register with KerasTuner; return the value, or None if the hyperparameter does not exist."""
        # Not with `conditional_scope`, which cannot express two parents that are independent of each other.
        conditions = [Parent(parent, list(values)) for parent, values in self.scope.items()]
        declared = self.dimension.hyperparameter(self.key, conditions)
        hp.merge([declared], overwrite=False)
        return hp.values[self.key] if hp.is_active(declared) else None

    def exists_at(self, values: Mapping[str, Any]) -> bool:
        """Whether the hyperparameter exists at a point, given with KerasTuner's names."""
        return all(parent in values and values[parent] in allowed for parent, allowed in self.scope.items())


def applies(name: str, point: Mapping[str, Any]) -> bool:
    """Whether a hyperparameter exists at a point that contains its parent."""
    condition = CONDITIONS.get(name)
    return condition is None or condition.holds(point[condition.parent])


def scope_of(name: str, searched: Mapping[str, Dimension]) -> dict[str, tuple[Value, ...]]:
    """The scope that follows from a hyperparameter's condition; empty if its parent is not searched."""
    condition = CONDITIONS.get(name)
    if condition is None or condition.parent not in searched:
        return {}
    return {condition.parent: tuple(filter(condition.holds, searched[condition.parent].values()))}


def missing_parents(names: Iterable[str], fixed: Mapping[str, Value], searched: Mapping[str, Dimension]) -> list[str]:
    """One sentence per hyperparameter that exists at no point of the space, which is a mistake of the user's."""
    problems = []
    for name in names:
        condition = CONDITIONS.get(name)
        if condition is None:
            continue
        parent = condition.parent
        possible = searched[parent].values() if parent in searched else (fixed[parent],)
        if not any(condition.holds(value) for value in possible):
            given = possible[0] if condition.values else max(possible)
            problems.append(f"[space] {name}: exists only where {parent} is {condition.wanted}; {parent} is {given}.")
    return problems
