"""TensorBoard logs: one run per configuration, with its rungs on one epoch axis, and one HParams row.

Written as event files by TensorBoard's own record writer, so no training backend is involved. Each trial has an event
file of its epochs and one of its best epoch in its configuration's run; the driver has one beside them for the HParams
row. The search's own curves are `search.results.search_curves`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tensorboard.compat.proto import event_pb2
from tensorboard.plugins.hparams import api_pb2
from tensorboard.plugins.hparams import summary_v2 as hparams_summary

from search.system.event_files import file_name, is_whole, scalar_event, write_events


def write_hparams(
    run: Path, name: str, hparams: Mapping[str, Any], metrics: Mapping[str, float], step: int, wall_time: float
) -> None:
    """Write a configuration's HParams row: hyperparameters and place in the search, with the metrics to compare.

    Args:
        run: the configuration's folder.
        name: the row's.
        hparams: values by name; those that the configuration does not have are absent.
        metrics: the metrics' values at the best epoch.
        step: the best epoch.
        wall_time: when the trial ended, in seconds since 1970.
    """
    shown = {name: value for name, value in hparams.items() if value is not None}
    row = hparams_summary.hparams_pb(shown, trial_id=name, start_time_secs=wall_time)
    event = event_pb2.Event(wall_time=wall_time, summary=row)
    write_events(run, "hparams", [event, scalar_event(step, metrics, wall_time)])


def hparams_written(run: Path) -> float:
    """When a configuration's HParams row was last written, in seconds since 1970; 0 if there is no whole one."""
    path = run / file_name(0, "hparams")
    return path.stat().st_mtime if is_whole(path) else 0.0


def write_hparams_layout(folder: Path, hparams: Mapping[str, Sequence[Any] | None], metrics: Iterable[str]) -> None:
    """Declare the columns of the HParams table.

    Args:
        folder: of all runs.
        hparams: each hyperparameter with the values to choose from; empty: any number, on a numeric axis; None: text.
        metrics: tags of the metrics.
    """
    columns = [
        hparams_summary.HParam(name, hparams_summary.Discrete(values) if values else _Any(text=values is None))
        for name, values in hparams.items()
    ]
    layout = hparams_summary.hparams_config_pb(columns, [hparams_summary.Metric(tag) for tag in metrics], 0.0)
    write_events(folder, "layout", [event_pb2.Event(wall_time=0.0, summary=layout)])


class _Any(hparams_summary.RealInterval):  # type: ignore[misc, unused-ignore]  # tensorboard has no types
    """Any number, or any text: without bounds, because TensorBoard hides what lies outside, as the baseline may."""

    def __init__(self, *, text: bool) -> None:
        super().__init__(0.0, 0.0)
        self._type = api_pb2.DATA_TYPE_STRING if text else api_pb2.DATA_TYPE_FLOAT64

    def update_hparam_info(self, hparam_info: Any) -> None:
        hparam_info.type = self._type
