"""Dilation rates in a space: ascending by construction, and none that would see only padding.

At a rate equal to or larger than the longer side of the ASPP's feature map, all taps but the centre fall on padding:
the convolution is a 1x1 at the price of a 3x3.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from deeplab import feature_map_size
from hyperparameters.dimensions import Dimension, SpaceError, Value
from hyperparameters.offers import GAPS

STEPS = ("aspp_rate", *GAPS)


def rates_at(point: Mapping[str, Any]) -> tuple[int, ...]:
    """Ascending dilation rates: the smallest, then each larger by its gap."""
    rates: list[int] = []
    for name in STEPS[: int(point["aspp_branches"])]:
        rates.append((rates[-1] if rates else 0) + int(point[name]))
    return tuple(rates)


def steps_of(rates: tuple[int, ...]) -> dict[str, int]:
    """The inverse of `rates_at`."""
    gaps = (rate - before for before, rate in zip((0, *rates), rates, strict=False))
    return dict(zip(STEPS, gaps, strict=False))


class Rates:
    """The rates of one space.

    Args:
        image_size: (height, width) in pixels.
        fixed: the value of each hyperparameter that is not searched.
        searched: all others.
    """

    def __init__(
        self, image_size: tuple[int, int], fixed: Mapping[str, Value], searched: Mapping[str, Dimension]
    ) -> None:
        self._image_size = image_size
        self._least = {name: int(min(_values(name, fixed, searched))) for name in STEPS}
        self._values = {name: _values(name, fixed, searched) for name in STEPS}
        self._searched = frozenset(STEPS) & searched.keys()

    def admit(self, point: Mapping[str, Any]) -> bool:
        """Whether every searched rate of a complete point reaches the feature map."""
        side = self.side(int(point["output_stride"]))
        rate = least = 0
        for name in STEPS[: int(point["aspp_branches"])]:
            rate, least = rate + int(point[name]), least + self._least[name]
            if not self._fits(name, rate, least, side):
                return False
        return True

    def count(self, output_stride: int, branches: int) -> int:
        """Number of admitted sets of this many rates."""
        side = self.side(output_stride)
        # Largest rate so far -> number of ways to reach it; far fewer entries than sets.
        sums, least = Counter({0: 1}), 0
        for name in STEPS[:branches]:
            least += self._least[name]
            longer: Counter[int] = Counter()
            for rate, ways in sums.items():
                for step in self._values[name]:
                    if self._fits(name, rate + int(step), least, side):
                        longer[rate + int(step)] += ways
            sums = longer
        return sums.total()

    def side(self, output_stride: int) -> int:
        """The longer side of the ASPP's feature map, in cells."""
        return max(feature_map_size(self._image_size, output_stride))

    def _fits(self, name: str, rate: int, least: int, side: int) -> bool:
        # A fixed step that does not fit even after the smallest searched steps is the user's own choice and is kept.
        return rate < side or (name not in self._searched and least >= side)


def drop_degenerate(
    image_size: tuple[int, int], fixed: Mapping[str, Value], searched: dict[str, Dimension]
) -> list[str]:
    """Cut values that reach only padding even if all others are at their smallest; return notes for the user.

    Raises:
        SpaceError: nothing is left of a range.
    """
    strides = [int(stride) for stride in _values("output_stride", fixed, searched)]
    side = max(feature_map_size(image_size, min(strides)))
    notes: list[str] = []
    least = 0
    for name in STEPS[: max(int(count) for count in _values("aspp_branches", fixed, searched))]:
        if name in searched:
            kept = searched[name].below(side - least)
            if kept is None:
                raise SpaceError([_nothing_left(name, image_size, side)])
            if kept != searched[name]:
                notes.append(
                    f"{name}: values of {side - least} and above are dropped: the rate would reach the feature map's "
                    f"side ({side}), where a dilated convolution sees only padding."
                )
            searched[name] = kept
            least += int(min(kept.values()))
        else:
            least += int(fixed[name])
            if least >= side:
                notes.append(
                    f"{name}: the fixed dilation rate {least} reaches only padding on feature maps whose longer "
                    f"side is {side}; it acts as a 1x1 convolution."
                )
    return notes + _drop_strides(image_size, fixed, searched)


def _drop_strides(image_size: tuple[int, int], fixed: Mapping[str, Value], searched: dict[str, Dimension]) -> list[str]:
    """Cut output strides on whose feature map not even the smallest searched rates fit."""
    if "output_stride" not in searched:
        return []
    rates = Rates(image_size, fixed, searched)
    branches = [int(count) for count in _values("aspp_branches", fixed, searched)]
    dimension = searched["output_stride"]
    kept = tuple(stride for stride in dimension.choices if any(rates.count(int(stride), b) for b in branches))
    searched["output_stride"] = replace(
        dimension, choices=kept, default=dimension.default if dimension.default in kept else kept[0]
    )
    return [
        f"output_stride: {stride} is dropped: its feature map's longer side is {rates.side(int(stride))}, and no rates "
        "in the ranges are smaller."
        for stride in dimension.choices
        if stride not in kept
    ]


def _nothing_left(name: str, image_size: tuple[int, int], side: int) -> str:
    return (
        f"[space] {name}: nothing is left of the range: at {image_size[0]}x{image_size[1]} the feature map's longer "
        f"side is {side}, and a dilation rate must be smaller. Allow smaller rates, fewer branches, a larger image or "
        "a smaller output stride."
    )


def _values(name: str, fixed: Mapping[str, Value], searched: Mapping[str, Dimension]) -> tuple[Any, ...]:
    return searched[name].values() if name in searched else (fixed[name],)
