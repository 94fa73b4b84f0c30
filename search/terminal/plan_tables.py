"""What a space really holds, for `plan`: how many networks, how large, and what limits and feature maps leave out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from rich.table import Table

from deeplab import Cost, cost
from hyperparameters.dimensions import plain
from search.oracle.counting import TRAINING_CHOICES, count_networks
from search.oracle.limits import COSTS, LATENCY, RATES, Limits, Point
from search.oracle.points import Values
from space import Space

QUANTILES = (0.0, 0.1, 0.5, 0.9, 1.0)
NAMES = ("min", "10 %", "50 %", "90 %", "max")


def networks_line(space: Space, points: Sequence[Point]) -> str:
    """The number of networks, and how much of the space fits the limits."""
    count = count_networks(space)
    real = [
        name for name, dimension in space.searched.items() if dimension.size is None and name not in TRAINING_CHOICES
    ]
    line = f"the space holds {count:,} network{'s' * (count != 1)}"
    if real:
        line += f" for each value of {', '.join(real)}, a range of real numbers"
    fitting = sum(not point.reasons for point in points)
    if fitting == len(points):
        return line
    return f"{line}; of {len(points):,} points drawn from it, {fitting / len(points):.1%} can be searched"


def size_table(points: Sequence[Point]) -> Table:
    """Quantiles of what the networks that can be searched cost."""
    table = _table("networks drawn", *NAMES)
    for name, what in (("parameters", "parameters"), ("MACs", "macs"), ("activations", "peak_activation_bytes")):
        sizes = [getattr(point.cost, what) for point in points if not point.reasons]
        shown = [_size(value, what) for value in np.quantile(sizes, QUANTILES)]
        table.add_row(name, *shown)
    return table


def rejection_table(limits: Limits, points: Sequence[Point], measured: Sequence[float]) -> Table | None:
    """The share of the space that each limit alone rejects; None where nothing is rejected."""
    rejected = Counter(reason for point in points for reason in point.reasons)
    table = _table("rejected and drawn again", "share")
    if rejected[RATES]:
        table.add_row(RATES, f"{rejected[RATES] / len(points):.1%}")
    for name in COSTS:
        if name in limits.given:
            table.add_row(f"{name} = {limits.given[name]:,}", f"{rejected[name] / len(points):.1%}")
    if measured:
        over = sum(milliseconds > limits.given[LATENCY] for milliseconds in measured)
        table.add_row(f"{LATENCY} = {limits.given[LATENCY]:g}", f"{over} of {len(measured)} measured")
    return table if table.row_count else None


def configuration_table(columns: Mapping[str, tuple[Cost, Values]], names: Sequence[str]) -> Table:
    """Configurations side by side: what they cost, and the hyperparameters called `names`."""
    table = _table("", *columns)
    table.add_row("parameters", *(_size(cost.parameters, "parameters") for cost, _ in columns.values()))
    table.add_row("MACs", *(_size(cost.macs, "macs") for cost, _ in columns.values()))
    for name in names:
        table.add_row(name, *(_value(plain(values).get(name)) for _, values in columns.values()))
    return table


def baseline_column(space: Space, classes: int) -> tuple[Cost, Values]:
    """The baseline, to compare with."""
    architecture, recipe = space.baseline()
    return cost(architecture, space.image_size, classes), space.values(architecture, recipe)


def _table(*columns: str) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
    for index, column in enumerate(columns):
        table.add_column(column, justify="right" if index else "left")
    return table


def _size(value: float, what: str) -> str:
    if what == "peak_activation_bytes":
        return f"{value / 2**20:,.0f} MiB"
    return f"{value / 1e6:.2f} M" if what == "parameters" else f"{value / 1e9:.2f} G"


def _value(value: Any) -> str:
    return "" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)
