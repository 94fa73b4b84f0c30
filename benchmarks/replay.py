"""Samplers and promotion rules compared on the table of trained configurations, whose trials take no time.

The oracles are the real ones, ours and KerasTuner's; beside them, Optuna's TPESampler with its HyperbandPruner, and
random configurations trained to the end. Whatever point a side draws, it is given the nearest configuration of the
table that it has not had (`benchmarks/tables/nearest.py`), and is told so: nothing is interpolated, and a space of the
table's points alone would leave a sampler that learns nothing to draw from but a list. A promoted trial continues as if
it had never stopped, on all sides.

The incumbent is the configuration of the trial with the highest validation score so far. Regret is how much better the
best configuration of the table is: mean IoU on test scenes, over both seeds and the last 3 of 27 epochs. A row has its
mean, median and quartiles over the seeds after so many epochs of training; an iteration of Hyperband takes 375.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from benchmarks._measure import arguments, report, with_progress
from benchmarks._replay import Search, optunas, ours, stock, whole_trials
from benchmarks.tables.table import Table, read_table
from search.oracle.schedule import make_schedule

ITERATIONS = 3
# Shares of all epochs after which the sides are compared.
BUDGETS = (1 / 9, 1 / 3, 2 / 3, 1.0)
Side = Callable[[Table, int, int], Search]


def main() -> None:
    """Search the table from many seeds by each side; print the regrets."""
    options = arguments(__doc__ or "")
    seeds = range(2 if options.smoke else 50 if options.full else 10)
    table, iterations = read_table(), 1 if options.smoke else ITERATIONS
    searches: dict[str, list[Search]] = {name: [] for name in SIDES}
    for seed in with_progress("searching", seeds):
        for name, side in SIDES.items():
            searches[name].append(side(table, seed, iterations))
    total = epochs_of(searches["random"][0])
    rows = [row_of(name, found, round(total * share)) for name, found in searches.items() for share in BUDGETS]
    differences = {f"tpe_less_{name}": difference(searches, name, total) for name in ("random", "stock KerasTuner")}
    report("replay", rows, recorded=table.recorded, seeds=len(seeds), **differences)


def epochs_of(search: Search) -> int:
    """How many epochs Hyperband trains."""
    return make_schedule(search.band).epochs


def row_of(name: str, searches: Sequence[Search], epochs: int) -> dict[str, Any]:
    """The regrets of one side after so many epochs."""
    regrets = [search.at(epochs) for search in searches]
    lower, median, upper = np.quantile(regrets, (0.25, 0.5, 0.75))
    quartiles = {"mean": np.mean(regrets), "median": median, "lower_quartile": lower, "upper_quartile": upper}
    return {"side": name, "epochs": epochs, **{key: round(float(value), 4) for key, value in quartiles.items()}}


def difference(searches: Mapping[str, Sequence[Search]], other: str, epochs: int) -> str:
    """By how much the mean regret of TPE is below another side's after so many epochs, in pairs of equal seeds."""
    pairs = zip(searches["tpe"], searches[other], strict=True)
    gains = [theirs.at(epochs) - tpe.at(epochs) for tpe, theirs in pairs]
    return f"{statistics.fmean(gains):.4f} +- {statistics.stdev(gains) / len(gains) ** 0.5:.4f}"


def _ours(sampler: str) -> Side:
    def run(table: Table, seed: int, iterations: int) -> Search:
        search = Search(table, seed, iterations)
        ours(search, sampler)
        return search

    return run


def _smoothed(table: Table, seed: int, iterations: int) -> Search:
    search = Search(table, seed, iterations, "smoothed")
    ours(search, "random")
    return search


def _stock(table: Table, seed: int, iterations: int) -> Search:
    search = Search(table, seed, iterations)
    stock(search)
    return search


def _optuna(table: Table, seed: int, iterations: int) -> Search:
    search = Search(table, seed, iterations)
    optunas(search, epochs_of(search))
    return search


def _whole(table: Table, seed: int, iterations: int) -> Search:
    search = Search(table, seed, iterations)
    whole_trials(search, epochs_of(search))
    return search


SIDES: dict[str, Side] = {
    "random": _ours("random"),
    "random, smoothed": _smoothed,
    "tpe": _ours("tpe"),
    "stock KerasTuner": _stock,
    "Optuna": _optuna,
    "no halving": _whole,
}

if __name__ == "__main__":
    main()
