"""TensorBoard logs: one run a configuration, its rungs on one epoch axis, and one HParams row.

Written as event files by TensorBoard's own record writer, so no training backend is involved. Each trial has one event
file a split in its configuration's run; the driver has one for the HParams row.
"""

from __future__ import annotations

import io
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tensorboard.compat.proto import event_pb2, summary_pb2
from tensorboard.plugins.hparams import summary_v2 as hparams_summary
from tensorboard.plugins.scalar.metadata import create_summary_metadata
from tensorboard.summary.writer.record_writer import RecordWriter
from tensorboard.util import tensor_util

from search.files import write_atomically

TRAIN, VALIDATION = "train", "validation"
_NO_SCALARS = ("trial_id", "config_id", "epoch", "time")


class TrialEvents:
    """The event files of one trial: `<run>/train` and `<run>/validation`, with equal tags in both.

    Args:
        run: the configuration's folder, shared by its trials.
        trial_id: names the event files.
        rows: the epochs so far, as in `epochs.csv`, with `time` in seconds since 1970. Where the files don't hold
            exactly these (after a kill between two writes), they are replaced.
    """

    def __init__(self, run: Path, trial_id: str, rows: Sequence[Mapping[str, Any]], first_epoch: int) -> None:
        self._files = {split: run / split / _file_name(first_epoch, trial_id) for split in (TRAIN, VALIDATION)}
        for split, path in self._files.items():
            content = _records([_version(), *(_epoch_event(row, split) for row in rows)])
            if not path.exists() or path.read_bytes() != content:
                path.parent.mkdir(parents=True, exist_ok=True)
                write_atomically(path, content)

    def add(self, row: Mapping[str, Any]) -> None:
        """Append the scalars of one epoch; a TensorBoard that runs already shows them."""
        for split, path in self._files.items():
            with path.open("ab") as file:
                file.write(_records([_epoch_event(row, split)]))


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
    _write_events(run, "hparams", [event, _scalar_event(step, metrics, wall_time)])


def write_hparams_layout(folder: Path, hparams: Mapping[str, Sequence[Any]], metrics: Iterable[str]) -> None:
    """Declare the HParams table's columns: each hyperparameter with its values (empty: any number), and the metrics."""
    columns = [
        hparams_summary.HParam(name, hparams_summary.Discrete(values) if values else None)
        for name, values in hparams.items()
    ]
    layout = hparams_summary.hparams_config_pb(columns, [hparams_summary.Metric(tag) for tag in metrics], 0.0)
    _write_events(folder, "layout", [event_pb2.Event(wall_time=0.0, summary=layout)])


def _epoch_event(row: Mapping[str, Any], split: str) -> event_pb2.Event:
    return _scalar_event(row["epoch"], _split(row, split), row["time"])


def _split(row: Mapping[str, Any], split: str) -> dict[str, float]:
    values = {name: value for name, value in row.items() if name not in _NO_SCALARS and value is not None}
    if split == VALIDATION:
        return {name.removeprefix("val_"): value for name, value in values.items() if name.startswith("val_")}
    return {name: value for name, value in values.items() if not name.startswith("val_")}


def _scalar_event(step: int, scalars: Mapping[str, float], wall_time: float) -> event_pb2.Event:
    values = [_scalar(name, value) for name, value in scalars.items() if math.isfinite(value)]
    return event_pb2.Event(wall_time=wall_time, step=step, summary=summary_pb2.Summary(value=values))


def _scalar(name: str, value: float) -> summary_pb2.Summary.Value:
    tag = f"iou/{name.removeprefix('iou_')}" if name.startswith("iou_") else name
    metadata = create_summary_metadata(display_name="", description="")
    return summary_pb2.Summary.Value(tag=tag, tensor=tensor_util.make_tensor_proto(float(value)), metadata=metadata)


def _write_events(folder: Path, name: str, events: Sequence[event_pb2.Event], order: int = 0) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    write_atomically(folder / _file_name(order, name), _records([_version(), *events]))


def _file_name(order: int, name: str) -> str:
    """TensorBoard reads a folder's files in the order of their names: a promotion comes behind its parent."""
    return f"events.out.tfevents.{order:010d}.{name}"


def _version() -> event_pb2.Event:
    return event_pb2.Event(wall_time=0.0, file_version="brain.Event:2")


def _records(events: Iterable[event_pb2.Event]) -> bytes:
    content = io.BytesIO()
    writer = RecordWriter(content)
    for event in events:
        writer.write(event.SerializeToString())
    return content.getvalue()
