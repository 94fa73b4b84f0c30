"""TensorBoard logs: one run a configuration, its rungs on one epoch axis, and one HParams row.

Written as event files by TensorBoard's own record writer, so no training backend is involved. Each trial has an event
file of its epochs and one of its best epoch in its configuration's run; the driver has one beside them for the HParams
row. The search's own curves are `search.curves`.
"""

from __future__ import annotations

import io
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from PIL import Image
from tensorboard.compat.proto import event_pb2, summary_pb2
from tensorboard.plugins.hparams import api_pb2
from tensorboard.plugins.hparams import summary_v2 as hparams_summary
from tensorboard.plugins.image import metadata as image_metadata
from tensorboard.plugins.scalar.metadata import create_summary_metadata
from tensorboard.summary.writer.record_writer import RecordWriter
from tensorboard.util import tensor_util

from search.event_files import is_whole
from search.files import write_atomically
from search.pictures import confusion_picture
from search.validation import BestEpoch

_NO_SCALARS = ("trial_id", "config_id", "epoch", "time")
PICTURE_MEANING = {
    "predictions": "input, truth, prediction, error (red: wrong, grey: ignored), at the best epoch",
    "confusion": "percent of the pixels of each true class (row) by predicted class (column), at the best epoch",
}
_COSTS = ("learning_rate", "seconds", "images_per_second", "peak_memory_mb")


class TrialEvents:
    """The event file of one trial, in its configuration's run.

    Args:
        run: the configuration's folder, shared by its trials.
        trial_id: names the event file.
        rows: the epochs so far, as in `epochs.csv`, with `time` in seconds since 1970. Where the file doesn't hold
            exactly these (after a kill between two writes), it is replaced.
        first_epoch: epochs that the trial's parents have done.
    """

    def __init__(self, run: Path, trial_id: str, rows: Sequence[Mapping[str, Any]], first_epoch: int) -> None:
        self._file = run / file_name(first_epoch, trial_id)
        content = records([version(), *(_epoch_event(row) for row in rows)])
        if not self._file.exists() or self._file.read_bytes() != content:
            run.mkdir(parents=True, exist_ok=True)
            write_atomically(self._file, content)

    def add(self, row: Mapping[str, Any]) -> None:
        """Append the scalars of one epoch; a TensorBoard that runs already shows them."""
        with self._file.open("ab") as file:
            file.write(records([_epoch_event(row)]))

    def show_best(self, best: BestEpoch, epoch: int, wall_time: float, class_names: Sequence[str]) -> None:
        """Pictures and confusion of the best epoch so far, in place of those of the one before."""
        pictures = {f"predictions/image_{index}": best.pictures[index] for index in best.fixed}
        pictures["confusion/validation"] = confusion_picture(best.validation.matrix, class_names)
        values = [_image(tag, jpeg) for tag, jpeg in pictures.items()]
        event = event_pb2.Event(wall_time=wall_time, step=epoch, summary=summary_pb2.Summary(value=values))
        content = records([version(), event])
        file = self._file.with_name(f"{self._file.name}.best")
        if not file.exists() or file.read_bytes() != content:
            write_atomically(file, content)


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
    """When a configuration's HParams row was last written, in seconds since 1970; 0 where there is no whole one."""
    path = run / file_name(0, "hparams")
    return path.stat().st_mtime if is_whole(path) else 0.0


def mend_trial_events(run: Path, trial_id: str, rows: Sequence[Mapping[str, Any]], first_epoch: int) -> None:
    """Write the scalars of a trial that has ended once more, where its event file is damaged."""
    if not is_whole(run / file_name(first_epoch, trial_id)):
        TrialEvents(run, trial_id, rows, first_epoch)


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


def _epoch_event(row: Mapping[str, Any]) -> event_pb2.Event:
    scalars = {_tag(name): value for name, value in row.items() if name not in _NO_SCALARS and value is not None}
    return scalar_event(row["epoch"], scalars, row["time"])


def _tag(name: str) -> str:
    """TensorBoard groups charts by what stands before the slash."""
    if name in _COSTS:
        return f"trial/{name}"
    return f"validation/{name.removeprefix('val_')}" if name.startswith("val_") else f"train/{name}"


def scalar_event(step: int, scalars: Mapping[str, float], wall_time: float) -> event_pb2.Event:
    """One point of several curves; values that are not finite are left out."""
    values = [_scalar(tag, value) for tag, value in scalars.items() if math.isfinite(value)]
    return event_pb2.Event(wall_time=wall_time, step=step, summary=summary_pb2.Summary(value=values))


def _scalar(tag: str, value: float) -> summary_pb2.Summary.Value:
    metadata = create_summary_metadata(display_name="", description="")
    return summary_pb2.Summary.Value(tag=tag, tensor=tensor_util.make_tensor_proto(float(value)), metadata=metadata)


def _image(tag: str, jpeg: bytes) -> summary_pb2.Summary.Value:
    with Image.open(io.BytesIO(jpeg)) as picture:
        width, height = picture.size
    # TensorBoard's form of a list of pictures: its size as text, then the encoded pictures.
    tensor = tensor_util.make_tensor_proto([str(width).encode(), str(height).encode(), jpeg])
    metadata = image_metadata.create_summary_metadata(
        display_name="", description=PICTURE_MEANING[tag.partition("/")[0]], converted_to_tensor=True
    )
    return summary_pb2.Summary.Value(tag=tag, tensor=tensor, metadata=metadata)


def write_events(folder: Path, name: str, events: Sequence[event_pb2.Event], order: int = 0) -> None:
    """Replace an event file."""
    folder.mkdir(parents=True, exist_ok=True)
    write_atomically(folder / file_name(order, name), records([version(), *events]))


def file_name(order: int, name: str) -> str:
    """TensorBoard reads a folder's files in the order of their names: a promotion comes behind its parent."""
    return f"events.out.tfevents.{order:010d}.{name}"


def version() -> event_pb2.Event:
    """The event that an event file begins with."""
    return event_pb2.Event(wall_time=0.0, file_version="brain.Event:2")


def records(events: Iterable[event_pb2.Event]) -> bytes:
    """Events as the content of an event file."""
    content = io.BytesIO()
    writer = RecordWriter(content)
    for event in events:
        writer.write(event.SerializeToString())
    return content.getvalue()
