"""TensorBoard logs: one run per configuration, with its rungs on one epoch axis, and one HParams row.

Written as event files by TensorBoard's own record writer, so no training backend is involved. Each trial has an event
file of its epochs and one of its best epoch in its configuration's run; the driver has one beside them for the HParams
row. The search's own curves are `search.results.search_curves`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tensorboard.backend.event_processing.event_file_loader import EventFileLoader
from tensorboard.compat.proto import event_pb2
from tensorboard.plugins.hparams import api_pb2, metadata, plugin_data_pb2
from tensorboard.plugins.hparams import summary_v2 as hparams_summary

from search.system.event_files import file_name, scalar_event, write_events


def write_hparams(
    run: Path, hparams: Mapping[str, Any], metrics: Mapping[str, float], step: int, wall_time: float
) -> None:
    """Write a configuration's HParams row: hyperparameters and place in the search, with the metrics to compare.

    A file that says so already stays, for a TensorBoard that reads it.

    Args:
        run: the configuration's folder.
        hparams: values by name; those that the configuration does not have are absent or None.
        metrics: the metrics' values at the best epoch.
        step: the best epoch.
        wall_time: when the trial ended, in seconds since 1970.
    """
    shown = {name: value for name, value in hparams.items() if value is not None}
    # Without a name of its own, TensorBoard names a row after its run, which no two studies that it shows share.
    row = hparams_summary.hparams_pb(shown, trial_id="", start_time_secs=wall_time)
    _set_content(row, _content(row))
    event = event_pb2.Event(wall_time=wall_time, summary=row)
    write_events(run, "hparams", [event, scalar_event(step, metrics, wall_time)])


def has_named_rows(folder: Path) -> bool:
    """Whether the rows below the folder of all runs have names, as in earlier versions: those of two studies merge."""
    for path in folder.glob(f"*/{file_name(0, 'hparams')}"):
        values = [value for event in EventFileLoader(str(path)).Load() for value in event.summary.value]
        rows = [value for value in values if value.tag == metadata.SESSION_START_INFO_TAG]
        return any(metadata.parse_session_start_info_plugin_data(_plugin_data(row)).group_name for row in rows)
    return False


def write_hparams_layout(
    folder: Path, hparams: Mapping[str, Sequence[Any] | None], metrics: Iterable[str], first: Iterable[str] = ()
) -> None:
    """Declare the columns of the HParams table.

    Args:
        folder: of all runs.
        hparams: each hyperparameter with the values to choose from; empty: any number, on a numeric axis; None: text.
        metrics: tags of the metrics.
        first: hyperparameters that come before the others. TensorBoard sorts both by name, and selects the first five
            columns and metrics until others are chosen.
    """
    columns = [
        hparams_summary.HParam(name, hparams_summary.Discrete(values) if values else _Any(text=values is None))
        for name, values in hparams.items()
    ]
    layout = hparams_summary.hparams_config_pb(columns, [hparams_summary.Metric(tag) for tag in metrics], 0.0)
    _put_first(layout, set(first))
    write_events(folder, "layout", [event_pb2.Event(wall_time=0.0, summary=layout)])


def _put_first(layout: Any, names: Collection[str]) -> None:
    """Declare that the values of these columns differ: such columns come before the others."""
    content = _content(layout)
    for info in content.experiment.hparam_infos:
        info.differs = info.name in names
    _set_content(layout, content)


def _content(summary: Any) -> Any:
    return plugin_data_pb2.HParamsPluginData.FromString(_plugin_data(summary.value[0]))


def _plugin_data(value: Any) -> bytes:
    content: bytes = value.metadata.plugin_data.content
    return content


def _set_content(summary: Any, content: Any) -> None:
    # In one order, so that equal content is an equal file.
    summary.value[0].metadata.plugin_data.content = content.SerializeToString(deterministic=True)


class _Any(hparams_summary.RealInterval):  # type: ignore[misc, unused-ignore]  # tensorboard has no types
    """Any number, or any text: without bounds, because TensorBoard hides what lies outside, as the baseline may."""

    def __init__(self, *, text: bool) -> None:
        super().__init__(0.0, 0.0)
        self._type = api_pb2.DATA_TYPE_STRING if text else api_pb2.DATA_TYPE_FLOAT64

    def update_hparam_info(self, hparam_info: Any) -> None:
        hparam_info.type = self._type
