"""What a search will run and what its space holds, for `plan`: networks, their sizes, and what limits leave out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
from rich.table import Table

from deeplab import Cost
from hyperparameters.dimensions import plain
from recipe import Recipe
from search.oracle.limits import COSTS, LATENCY, RATES, Limits, Point
from search.oracle.points import Values
from search.oracle.schedule import Schedule
from search.system.wording import billions, cell, mebibytes, millions, plural
from search.terminal.layout import plain_table
from space import Space

# Of the networks that are drawn: name -> share that is smaller.
QUANTILES = {"min": 0.0, "10 %": 0.1, "50 %": 0.5, "90 %": 0.9, "max": 1.0}


def bracket_table(schedule: Schedule) -> Table:
    """The baseline, the rungs of each bracket and the confirmations, with the epochs that their trials train."""
    table = plain_table("bracket", numbers=("rung", "trials", "epochs", "trained"))
    if schedule.baseline:
        table.add_row("baseline", "", "1", f"1-{schedule.max_epochs}", str(schedule.max_epochs))
    for bracket in schedule.brackets:
        for number, rung in enumerate(bracket.rungs):
            name = bracket.name if number == 0 else ""
            trained = rung.size * (rung.last_epoch - rung.first_epoch)
            epochs = f"{rung.first_epoch + 1}-{rung.last_epoch}"
            table.add_row(name, str(number), str(rung.size), epochs, str(trained))
    if schedule.confirmations:
        trained = schedule.confirmations * schedule.max_epochs
        table.add_row("confirm", "", str(schedule.confirmations), f"1-{schedule.max_epochs}", str(trained))
    return table


def networks_line(space: Space, points: Sequence[Point]) -> str:
    """The number of networks, and how much of the space fits the limits."""
    count = space.count_networks()
    # Training choices do not make another network.
    sizes = {name: dimension.size for name, dimension in space.searched.items() if name not in Recipe.model_fields}
    real = [name for name, size in sizes.items() if size is None]
    line = f"the space holds {plural(count, 'network')}"
    if real:
        line += f" for each value of {', '.join(real)}, a range of real numbers"
    fitting = sum(not point.reasons for point in points)
    if fitting == len(points):
        return line
    return f"{line}; of {len(points):,} points drawn from it, {fitting / len(points):.1%} can be searched"


def size_table(points: Sequence[Point]) -> Table:
    """Quantiles of what the networks that can be searched cost."""
    table = plain_table("networks drawn", numbers=list(QUANTILES))
    for name, what, worded in (
        ("parameters", "parameters", millions),
        ("MACs", "macs", billions),
        ("activations", "peak_activation_bytes", mebibytes),
    ):
        sizes = [getattr(point.cost, what) for point in points if not point.reasons]
        table.add_row(name, *map(worded, np.quantile(sizes, list(QUANTILES.values()))))
    return table


def rejection_table(limits: Limits, points: Sequence[Point], measured: Sequence[float]) -> Table | None:
    """The share of the space that each limit alone rejects; None where nothing is rejected."""
    rejected = Counter(reason for point in points for reason in point.reasons)
    table = plain_table("rejected and drawn again", numbers=["share"])
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
    table = plain_table("", numbers=list(columns))
    table.add_row("parameters", *(millions(cost.parameters) for cost, _ in columns.values()))
    table.add_row("MACs", *(billions(cost.macs) for cost, _ in columns.values()))
    for name in names:
        table.add_row(name, *(cell(plain(values).get(name)) for _, values in columns.values()))
    return table
