"""What the hyperparameters do: importances, parallel coordinates and slices, by Optuna's visualization."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import optuna
import pandas as pd
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from plotly.colors import sample_colorscale

from search.report.figures import OTHER
from search.report.history import History
from search.report.parts import MOST_ROWS, Plot, Table, cell, table_of
from search.study import BASELINE
from search.system.wording import plural, rounded

# What people ask about first.
FIRST = ("aspp_branches", "aspp_rate", "aspp_gap_2", "aspp_gap_3", "aspp_gap_4", "aspp_gap_5", "decoder_depth")
# More lines cannot be told apart.
MOST_LINES = 150
# Worst to best.
SCALE = ["rgb(169, 177, 189)", "rgb(15, 143, 102)"]
# With fewer configurations nothing can be said about what matters.
FEWEST = 4


class Compared:
    """The configurations of a study, each with its score after the same number of epochs, as an Optuna study.

    A promoted configuration has trained longer than one that was not promoted, so their last scores say more about
    Hyperband than about the hyperparameters. Here all are compared at `epochs`, the largest number of epochs that at
    least half of them have trained; those that have trained less are left out.
    """

    def __init__(self, history: History) -> None:
        self.history = history
        trained = _epochs_of_configurations(history)
        self.total = len(trained)
        self.epochs = int(trained.sort_values(ascending=False).iloc[(self.total - 1) // 2]) if self.total else 0
        within = history.epochs[history.epochs["epoch"] <= self.epochs]
        grouped = within[within["config_id"].isin(trained.index[trained >= self.epochs])].groupby("config_id")
        scores = grouped[history.objective.name].agg(history.objective.direction)
        first = history.trials.drop_duplicates("config_id").set_index("config_id")
        self.rows = first.join(scores.rename("compared").dropna(), how="inner")
        self.names = [name for name in _ordered(history.hyperparameters) if self.rows[f"hp:{name}"].nunique() > 1]
        self.study = self._study(self.rows)

    @property
    def is_enough(self) -> bool:
        """Whether there are enough configurations to compare."""
        return len(self.rows) >= FEWEST and bool(self.names)

    @property
    def note(self) -> str:
        """How the configurations are compared, in words."""
        return (
            f"{len(self.rows)} of {plural(self.total, 'configuration')} are compared by their best {self.objective} "
            f"within {plural(self.epochs, 'epoch')}, the most that at least half of them have trained."
        )

    @property
    def objective(self) -> str:
        """The metric that is compared."""
        return self.history.objective.name

    def importances(self) -> Plot:
        """How much each hyperparameter contributes to telling good configurations from the others."""
        with _quiet():
            figure = optuna.visualization.plot_param_importances(self.study)
        figure.update_xaxes(range=[0, 1.15 * max(figure.data[0].x, default=1.0)])
        bars = figure.data[0]  # the smallest first
        rows = [[name, f"{100 * share:.0f} %"] for name, share in zip(bars.y, bars.x, strict=True)][::-1]
        most = ", ".join(f"{name} ({share})" for name, share in rows[:3])
        summary = f"Most important: {most}."
        table = Table("Importance of each hyperparameter", ["hyperparameter", "share"], rows)
        return self._plot("importances", "Importance", figure, summary, table, height=120 + 34 * len(rows))

    def parallel(self) -> Plot:
        """Each configuration as a line through its values, coloured by its score."""
        best = self.rows.sort_values("compared", ascending=self.history.objective.is_minimized).head(MOST_LINES)
        with _quiet():
            figure = optuna.visualization.plot_parallel_coordinate(
                self._study(best), params=self.names, target_name=self.objective
            )
        _recolor(figure)
        columns = {"compared": self.objective, **{f"hp:{name}": name for name in self.names}}
        table = table_of(best, "The configurations, the best first", columns)
        summary = f"{plural(len(best), 'configuration')}, the best of {len(self.rows)}."
        return self._plot("parallel", "Parallel coordinates", figure, summary, table, height=520, min_width=720)

    def slices(self) -> Iterator[Plot]:
        """The score against each hyperparameter alone."""
        for name in self.names:
            with _quiet():
                figure = optuna.visualization.plot_slice(self.study, params=[name], target_name=self.objective)
            figure.update_traces(marker={"showscale": False, "size": 8, "line": {"width": 1, "color": OTHER}})
            grouped = self._binned(name).groupby(level=0, observed=True)["compared"]
            best_of = self.history.objective.direction
            rows = [
                [cell(value), str(len(scores)), rounded(scores.median()), rounded(scores.agg(best_of))]
                for value, scores in grouped
            ]
            columns = [name, "configurations", f"median {self.objective}", f"best {self.objective}"]
            table = Table(
                f"{self.objective} by {name}", columns, rows[:MOST_ROWS], left_out=max(0, len(rows) - MOST_ROWS)
            )
            best = max(rows, key=lambda row: self.history.objective.sign * float(row[2]))
            summary = (
                f"Lowest median at {best[0]}."
                if self.history.objective.is_minimized
                else f"Highest median at {name} {best[0]}."
            )
            yield self._plot(f"slice-{name}", name, figure, summary, table, height=320)

    def _binned(self, name: str) -> pd.DataFrame:
        """The scores by value, or by fifths of the configurations if nearly every one has a different value."""
        given = self.rows[self.rows[f"hp:{name}"].notna()]
        values = given[f"hp:{name}"]
        if values.dtype == "float64" and values.nunique() > 5:
            bins = pd.qcut(values, 5, duplicates="drop")
            low = float(values.min())  # the first bin begins a little below it
            values = bins.map(lambda fifth: f"{cell(max(fifth.left, low))} to {cell(fifth.right)}", na_action="ignore")
        return given.set_index(values.rename(name))[["compared"]]

    def _plot(self, name: str, title: str, figure: Any, summary: str, table: Table, **size: int) -> Plot:
        figure.update_layout(title=None, template=None)
        return Plot(name, title, figure, summary, table, **size)

    def _study(self, rows: pd.DataFrame) -> optuna.Study:
        with _quiet():
            study = optuna.create_study(direction="minimize" if self.history.objective.is_minimized else "maximize")
        distributions = {name: self._distribution(name) for name in self.names}
        for _, row in rows.iterrows():
            values = {name: row[f"hp:{name}"] for name in self.names if not pd.isna(row[f"hp:{name}"])}
            params = {name: _plain(value) for name, value in values.items()}
            own = {name: distributions[name] for name in params}
            trial = optuna.trial.create_trial(params=params, distributions=own, value=float(row["compared"]))
            study.add_trial(trial)
        return study

    def _distribution(self, name: str) -> BaseDistribution:
        """The distribution of a hyperparameter for Optuna: the range of the values that occur."""
        values = self.rows[f"hp:{name}"].dropna()
        given = self.history.config.space.get(name)
        log = isinstance(given, dict) and given.get("sampling") == "log"
        if values.dtype == "Int64":
            return IntDistribution(int(values.min()), int(values.max()), log=log)
        if values.dtype == "float64":
            return FloatDistribution(float(values.min()), float(values.max()), log=log)
        return CategoricalDistribution(sorted(_plain(value) for value in values.unique()))


def _recolor(figure: Any) -> None:
    """Use colours that are visible on light and on dark backgrounds; Optuna's are made for white."""
    for trace in figure.data:
        if trace.mode == "lines" and trace.line.color:
            # Its first point is the objective, from 0 to 1.
            trace.line.color = sample_colorscale(SCALE, [float(trace.y[0])])[0]
        elif trace.marker.colorscale:
            trace.marker.colorscale, trace.marker.reversescale = SCALE, False


def _epochs_of_configurations(history: History) -> pd.Series:
    """The last epoch of each configuration; without the baseline, whose values may lie outside the space."""
    drawn = history.epochs[history.epochs["trial_id"] != BASELINE]
    return drawn.groupby("config_id")["epoch"].max().astype("int64")


def _ordered(names: list[str]) -> list[str]:
    first = [name for name in FIRST if name in names]
    return [*first, *(name for name in names if name not in first)]


def _plain(value: Any) -> Any:
    """A value as one of Python's own types."""
    return value.item() if hasattr(value, "item") else value


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence Optuna's log and its warnings about few trials, which the page explains in words."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
