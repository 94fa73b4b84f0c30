"""Which points of the space may take a trial, and the oracle that draws them."""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from deeplab import Cost, cost
from hyperparameters.dimensions import plain
from search.errors import UserError
from search.oracle.identity import architecture_id
from search.oracle.latency import LatencyMeter
from search.oracle.points import Rejection, Values
from search.oracle.samplers.random import draw_values
from search.study.config import StudyConfig
from space import Space

# Points drawn to see what the space holds. Where none of them fits the limits, almost nothing does.
SAMPLE = 1000

RATES = "dilation rates beyond the feature map"
# What is limited -> the attribute of `Cost`, and its unit.
COSTS = {"max_parameters": "parameters", "max_macs": "macs"}
LATENCY = "max_latency_ms"
_SIZES = ("macs", "parameters", "peak_activation_bytes")


@dataclass(frozen=True)
class Point:
    """A point of the space, what its network costs, and the reasons not to draw it that need no measurement."""

    values: Values
    cost: Cost
    reasons: tuple[str, ...]


class Limits:
    """The limits of one study.

    Args:
        config: with `[limits]`.
        space: the search space.
        classes: outputs of the networks.
        meter: measures what `max_latency_ms` asks for.
    """

    def __init__(self, config: StudyConfig, space: Space, classes: int, meter: LatencyMeter) -> None:
        self._config, self._space, self._classes, self._meter = config, space, classes, meter
        limits = {name: getattr(config.limits, name) for name in (*COSTS, LATENCY)}
        self.given: dict[str, float] = {name: limit for name, limit in limits.items() if limit is not None}

    def reject(self, values: Values) -> Rejection | None:
        """Why a point must not take a trial; the cheap reasons first."""
        if not self._space.admits(values):
            return Rejection(RATES)
        if not self.given:
            return None
        reasons = self._over(self.cost_of(values))
        if reasons:
            return Rejection(reasons[0])
        if LATENCY in self.given:
            architecture = self._space.architecture(values)
            if self._meter(architecture) > self.given[LATENCY]:
                return Rejection(LATENCY, measured=architecture_id(architecture))
        return None

    def sample(self, count: int = SAMPLE) -> list[Point]:
        """This many points of the space, drawn as the search draws them."""
        hyperparameters = self._space.hyperparameters()
        points = [draw_values(hyperparameters, [self._config.study.seed, number]) for number in range(count)]
        return [self._point(values) for values in points]

    def cost_of(self, values: Values) -> Cost:
        """What the network at a point costs."""
        data = self._config.data
        return cost(self._space.architecture(values), data.image_size, self._classes, data.channels)

    def milliseconds(self, values: Values) -> float:
        """The latency of the network at a point."""
        return self._meter(self._space.architecture(values))

    def without_latency(self) -> Limits:
        """The limits that need no measurement."""
        cheap = copy.copy(self)
        cheap.given = {name: limit for name, limit in self.given.items() if name != LATENCY}
        return cheap

    def check(self, *, measure: bool = True) -> None:
        """Refuse a space of which almost nothing fits; latency is checked only where it may be measured.

        Raises:
            UserError: with what the smallest network found costs, and the limits.
        """
        if not self.given:
            return
        points = self.sample()
        possible = [point for point in points if not point.reasons]
        if not possible:
            raise UserError(self._nothing_fits(points))
        if measure and LATENCY in self.given:
            self._check_latency(possible)

    def _check_latency(self, points: Sequence[Point]) -> None:
        # The fastest is likely among those that are the smallest in one way or another.
        smallest = [min(points, key=lambda point: getattr(point.cost, size)) for size in _SIZES]
        times = [self.milliseconds(point.values) for point in smallest]
        if min(times) > self.given[LATENCY]:
            fastest = smallest[times.index(min(times))].values
            raise UserError(
                f"[limits] max_latency_ms: given {self.given[LATENCY]:g}, but the smallest of {len(points):,} "
                f"networks drawn takes {min(times):.1f} ms for an image on this machine ({_shown(fastest)}). Raise the "
                "limit, or allow smaller networks."
            )

    def _point(self, values: Values) -> Point:
        size = self.cost_of(values)
        rates = () if self._space.admits(values) else (RATES,)
        return Point(values, size, (*rates, *self._over(size)))

    def _over(self, size: Cost) -> tuple[str, ...]:
        return tuple(
            name for name, what in COSTS.items() if name in self.given and getattr(size, what) > self.given[name]
        )

    def _nothing_fits(self, points: Sequence[Point]) -> str:
        lines = [f"[limits] almost nothing of the space fits: none of {len(points):,} networks drawn from it."]
        rejected = Counter(reason for point in points for reason in point.reasons)
        for name in (name for name in COSTS if name in self.given):
            least = min(points, key=lambda point: getattr(point.cost, COSTS[name]))
            lines.append(
                f"  - {name}: given {self.given[name]:,}; the smallest found has {getattr(least.cost, COSTS[name]):,} "
                f"({_shown(least.values)}); {rejected[name] / len(points):.0%} are over it"
            )
        return "\n".join([*lines, "Raise the limits, or allow smaller networks."])


def _shown(values: Values) -> str:
    # A learning rate tells nothing about a network's cost.
    shown = {name: value for name, value in plain(values).items() if name != "learning_rate"}
    return ", ".join(f"{name}={value}" for name, value in shown.items()) or "the only one"
