"""Plots of a search's course and of what its networks cost, by plotly."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from search.report.history import COSTS, History
from search.report.parts import Plot, table_of
from search.results.front import pareto_front
from search.results.tally import FAILURES
from search.study import BASELINE
from search.system.wording import plural, rounded

# Distinguishable with common colour blindness, on light and on dark backgrounds.
BEST, OTHER, REFERENCE, BAD = "#2a9d6f", "#7a8ba6", "#d2790f", "#d1495b"
RUNGS = ("#7a8ba6", "#2f7fd1", "#b05fc2", "#2a9d6f", "#c9a227")
SERIES = ("#2f7fd1", "#d2790f", "#2a9d6f", "#b05fc2", "#c9a227", "#4aa3a2", "#d1495b", "#8a8f98")


def best_so_far(histories: Sequence[History]) -> Plot | None:
    """The best score over time, and every trial's."""
    # Each with its number, so that a study has the same colour in all plots.
    begun = [(number, history) for number, history in enumerate(histories) if len(history.completed)]
    if not begun:
        return None
    alone, objective = len(histories) == 1, histories[0].objective.name
    times = [(study.completed["finished"] - study.trials["started"].min()).dt.total_seconds() for _, study in begun]
    unit, length = ("hours", 3600) if max(time.max() for time in times) >= 7200 else ("minutes", 60)
    figure, parts, tables = go.Figure(), [], []
    for (number, history), time in zip(begun, times, strict=True):
        ended, x = history.completed, (time / length).to_numpy()
        color = BEST if alone else SERIES[number % len(SERIES)]
        running = ended["score"].cummin() if history.objective.is_minimized else ended["score"].cummax()
        prefix = "" if alone else f"{history.name}: "
        points = {"x": x, "y": ended["score"].to_numpy(), "text": [str(trial) for trial in ended["trial_id"]]}
        marker = {"color": color, "opacity": 0.45, "size": 6}
        figure.add_scatter(**points, mode="markers", name=f"{prefix}trials", marker=marker)
        line = {"color": color, "width": 3, "shape": "hv"}
        figure.add_scatter(x=x, y=running.to_numpy(), mode="lines", name=f"{prefix}best so far", line=line)
        if history.baseline is not None and alone:
            score = float(history.baseline["score"])
            dashes = {"color": REFERENCE, "dash": "dash"}
            figure.add_scatter(x=[0, x.max()], y=[score, score], mode="lines", name="baseline", line=dashes)
        steps = pd.DataFrame({"study": history.name, "time": x, "trial": ended["trial_id"], "best": running})
        tables.append(steps[running.diff().ne(0)])
        parts.append(
            f"{prefix}{plural(len(tables[-1]), 'step')} to {rounded(running.iloc[-1])} in {x.max():.2f} {unit}"
        )
    figure.update_layout(xaxis_title=f"{unit} since the first start", yaxis_title=objective)
    names = {"study": "study", "time": unit, "trial": "trial", "best": f"best {objective} so far"}
    if alone:
        del names["study"]
    table = table_of(pd.concat(tables), "Each step of the best score", names)
    return Plot("best-so-far", "Best so far over time", figure, "; ".join(parts) + ".", table)


def learning_curves(history: History) -> Plot | None:
    """The objective over epochs; a promotion continues its configuration's line in the colour of its rung."""
    epochs = history.epochs.merge(history.trials[["trial_id", "rung"]], on="trial_id", how="left")
    if not len(epochs):
        return None
    figure = go.Figure()
    rungs = sorted(int(rung) for rung in epochs["rung"].dropna().unique())
    for rung in rungs:
        segments = [_with_parent(own, history) for _, own in epochs[epochs["rung"] == rung].groupby("trial_id")]
        # An empty point separates two lines within one trace.
        joined = pd.concat(
            [part for own in segments for part in (own, own.iloc[:1].assign(epoch=np.nan, score=np.nan))]
        )
        figure.add_scatter(
            x=joined["epoch"].to_numpy(),
            y=joined["score"].to_numpy(),
            name=f"rung {rung}",
            mode="lines+markers",
            marker={"size": 4},
            line={"color": RUNGS[rung % len(RUNGS)], "width": 1.5},
        )
    own = epochs[epochs["trial_id"] == BASELINE]
    if len(own):
        dashes = {"color": REFERENCE, "width": 3, "dash": "dash"}
        x, y = own["epoch"].astype("float64").to_numpy(), own[history.objective.name].to_numpy()
        figure.add_scatter(x=x, y=y, name="baseline", mode="lines", line=dashes)
    figure.update_layout(xaxis_title="epoch", yaxis_title=history.objective.name)
    grouped = epochs.groupby("config_id", sort=False)
    last = grouped.agg(epochs=("epoch", "max"), best=(history.objective.name, history.objective.direction))
    table = table_of(
        last.reset_index().sort_values("best", ascending=history.objective.is_minimized),
        "The configurations, the best first",
        {"config_id": "configuration", "epochs": "epochs", "best": f"best {history.objective.name}"},
    )
    count = epochs["config_id"].nunique()
    summary = f"{plural(count, 'curve')}, one for each configuration; {plural(len(rungs), 'rung')}."
    return Plot("learning-curves", "Learning curves by rung", figure, summary, table, height=460)


def _with_parent(own: pd.DataFrame, history: History) -> pd.DataFrame:
    """A trial's epochs after the last one of its parent, so that they form one line."""
    before = history.epochs[
        (history.epochs["config_id"] == own["config_id"].iloc[0]) & (history.epochs["epoch"] == own["epoch"].min() - 1)
    ]
    joined = pd.concat([before, own]) if len(before) else own
    return pd.DataFrame({"epoch": joined["epoch"].astype("float64"), "score": joined[history.objective.name]})


def brackets(history: History) -> Plot | None:
    """Which trials were promoted, stopped or failed at each rung of each bracket."""
    drawn = history.trials[history.trials["bracket"].notna()]
    if not len(drawn):
        return None
    drawn = drawn.assign(outcome=_outcomes(drawn), place=[f"to {epoch}" for epoch in drawn["last_epoch"]])
    numbers = sorted((int(number) for number in drawn["bracket"].unique()), reverse=True)
    titles = [f"bracket {number}" for number in numbers]
    # The spacing is a share of the whole figure, so it shrinks as rows are added.
    figure = make_subplots(len(numbers), 1, subplot_titles=titles, vertical_spacing=0.3 / len(numbers))
    figure.update_annotations(font_size=13)
    # A trial without a score is drawn at the height of the worst.
    floor = float(drawn["score"].min()) if drawn["score"].notna().any() else 0.0
    looks = {
        "promoted": ("circle", BEST),
        "stopped": ("circle-open", OTHER),
        "finished": ("star", SERIES[0]),
        "failed": ("x", BAD),
        "under way": ("diamond-open", REFERENCE),
    }
    for row, number in enumerate(numbers, start=1):
        own = drawn[drawn["bracket"] == number].sort_values(["last_epoch", "trial_id"])
        figure.add_scatter(**_promotion_lines(own, floor), row=row, col=1)
        for outcome, (symbol, color) in looks.items():
            chosen = own[own["outcome"] == outcome]
            figure.add_scatter(
                x=chosen["place"].tolist(),
                y=chosen["score"].fillna(floor).to_numpy(),
                text=[str(trial) for trial in chosen["trial_id"]],
                name=outcome,
                mode="markers",
                marker={"symbol": symbol, "color": color, "size": 8},
                legendgroup=outcome,
                showlegend=row == 1,  # once, not in every row
                row=row,
                col=1,
            )
        order = [f"to {epoch}" for epoch in sorted(int(one) for one in own["last_epoch"].unique())]
        figure.update_xaxes(categoryorder="array", categoryarray=order, row=row, col=1)
    figure.update_xaxes(title="epochs", row=len(numbers), col=1)
    figure.update_yaxes(title=history.objective.name)
    counts = drawn.groupby(["iteration", "bracket", "rung", "last_epoch", "outcome"]).size().unstack(fill_value=0)
    counts = counts.reset_index().sort_values(["iteration", "bracket", "rung"], ascending=[True, False, True])
    names = {"iteration": "iteration", "bracket": "bracket", "rung": "rung", "last_epoch": "to epoch"}
    table = table_of(
        counts, "Trials of each rung by what became of them", names | {key: key for key in looks if key in counts}
    )
    found = drawn["outcome"].value_counts()
    said = ", ".join(f"{found[outcome]} {outcome}" for outcome in looks if outcome in found)
    return Plot(
        "brackets", "Brackets", figure, f"Of {len(drawn)} trials: {said}.", table, height=140 + 190 * len(numbers)
    )


def _outcomes(drawn: pd.DataFrame) -> list[str]:
    """What became of each trial; one that completes the last rung of its bracket is finished."""
    promoted = set(drawn["parent_id"].dropna())
    found = []
    for trial, status, bracket, rung in drawn[["trial_id", "status", "bracket", "rung"]].itertuples(index=False):
        if status in FAILURES:
            found.append("failed")
        elif status != "completed":
            found.append("under way")
        elif trial in promoted:
            found.append("promoted")
        else:
            # A bracket's number is that of its last rung.
            found.append("finished" if rung == bracket else "stopped")
    return found


def _promotion_lines(own: pd.DataFrame, floor: float) -> dict[str, object]:
    """Lines from each trial to its promotion, as one trace."""
    scores = own["score"].fillna(floor)
    points = dict(zip(own["trial_id"], zip(own["place"], scores, strict=True), strict=True))
    pairs = [
        (points[parent], points[trial])
        for trial, parent in zip(own["trial_id"], own["parent_id"], strict=True)
        if parent in points
    ]
    x = [place for before, after in pairs for place in (before[0], after[0], None)]
    y = [score for before, after in pairs for score in (before[1], after[1], None)]
    line = {"color": OTHER, "width": 1}
    return {"x": x, "y": y, "mode": "lines", "line": line, "opacity": 0.5, "hoverinfo": "skip", "showlegend": False}


def pareto(histories: Sequence[History], cost: str) -> Plot | None:
    """Score against the cost of the network, with the front of trials that no other trial beats in both."""
    figure, fronts = go.Figure(), []
    label, unit, scale = COSTS[cost]
    for number, history in enumerate(histories):
        if cost not in history.costs:
            continue
        trials = history.completed.dropna(subset=[cost])
        color = BEST if len(histories) == 1 else SERIES[number % len(SERIES)]
        prefix = "" if len(histories) == 1 else f"{history.name}: "
        front = _front(trials, cost, history.objective.sign)
        faint = {"color": OTHER if len(histories) == 1 else color, "opacity": 0.45, "size": 6}
        bright = {"color": color, "size": 9}
        for name, rows, mode, marker in (
            ("trials", trials, "markers", faint),
            ("Pareto front", front, "lines+markers", bright),
        ):
            figure.add_scatter(
                x=(rows[cost] / scale).astype("float64").to_numpy(),
                y=rows["score"].to_numpy(),
                text=[str(trial) for trial in rows["trial_id"]],
                name=f"{prefix}{name}",
                mode=mode,
                marker=marker,
                line={"color": color, "shape": "hv"},
            )
        if history.baseline is not None and pd.notna(history.baseline[cost]):
            figure.add_scatter(
                x=[float(history.baseline[cost]) / scale],
                y=[float(history.baseline["score"])],
                name=f"{prefix}baseline",
                mode="markers",
                marker={"symbol": "star", "size": 14, "color": REFERENCE if len(histories) == 1 else color},
            )
        fronts.append(front.assign(study=history.name, cost=(front[cost] / scale).astype("float64")))
    if not fronts:
        return None
    # A logarithmic axis, because networks differ in cost by factors.
    figure.update_layout(xaxis_title=f"{label} ({unit})", yaxis_title=histories[0].objective.name, xaxis_type="log")
    shown = pd.concat(fronts)
    columns = {"study": "study", "trial_id": "trial", "cost": f"{label} ({unit})", "score": histories[0].objective.name}
    if len(histories) == 1:
        del columns["study"]
    summary = f"{plural(len(shown), 'trial')} on the front: no other trial is both better and cheaper."
    table = table_of(shown, f"The Pareto front: {histories[0].objective.name} against {label}", columns)
    return Plot(f"pareto-{cost}", f"Score against {label}", figure, summary, table)


def _front(trials: pd.DataFrame, cost: str, sign: float) -> pd.DataFrame:
    """The trials that no other trial beats in both, the cheapest first."""
    costs, goodness = trials[cost].astype(float), sign * trials["score"].astype(float)
    return trials.loc[pareto_front(trials.index, costs.__getitem__, goodness.__getitem__)]


def _trained(history: History, name: str, trial: pd.Series) -> pd.DataFrame:
    """The trials that stand for the best or the baseline: where they were confirmed, those from the other seeds."""
    confirmed = history.snapshot.confirmed
    if confirmed is not None:
        again = history.confirmations_of(BASELINE if name == "baseline" else confirmed.of)
        if len(again):
            return again
    return trial.to_frame().T


def class_scores(history: History) -> Plot | None:
    """IoU of each class, of the best trial and of the baseline."""
    best, baseline = history.best, history.baseline
    if best is None or not history.class_names:
        return None
    rows = [("best", best, BEST)]
    if baseline is not None and baseline["config_id"] != best["config_id"]:
        rows.append(("baseline", baseline, REFERENCE))
    figure = go.Figure()
    names = history.class_names
    table = pd.DataFrame({"class": names})
    for name, trial, color in rows:
        trained = _trained(history, name, trial)
        found = [pd.to_numeric(trained.get(f"metric:val_iou_{one}", pd.Series([np.nan]))) for one in names]
        table[name] = [column.mean() for column in found]
        figure.add_bar(y=names, x=table[name].to_numpy(), name=name, orientation="h", marker={"color": color})
    # Plotly draws the first bar at the bottom.
    figure.update_layout(xaxis_title="IoU on the validation images", yaxis_autorange="reversed", barmode="group")
    columns = {"class": "class", **{name: name for name, *_ in rows}}
    summary = f"{len(names)} classes"
    if len(rows) == 2:
        table["difference"] = table["best"] - table["baseline"]
        columns["difference"] = "difference"
        better = int((table["difference"] > 0).sum())
        summary += f": the best configuration is better than the baseline on {better}"
    shown = table_of(table, "IoU of each class at the best epoch", columns)
    return Plot("classes", "IoU of each class", figure, f"{summary}.", shown, height=110 + 34 * len(names))
