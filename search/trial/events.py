"""A trial's TensorBoard events: its epochs, and the pictures of its best epoch."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from PIL import Image
from tensorboard.compat.proto import event_pb2, summary_pb2
from tensorboard.plugins.image import metadata as image_metadata
from tensorboard.util import tensor_util

from search.system.event_files import file_name, is_whole, records, scalar_event, version
from search.system.files import write_atomically
from search.trial.pictures import confusion_picture
from search.trial.validation import BestEpoch


class TrialEvents:
    """The event file of one trial, in its configuration's run.

    Args:
        run: the configuration's folder, shared by its trials.
        trial_id: names the event file.
        rows: the epochs so far, as in `epochs.csv`, with `time` in seconds since 1970. If the file does not hold
            exactly these (after a kill between two writes), it is replaced.
        first_epoch: epochs that the trial's parents have completed.
    """

    def __init__(self, run: Path, trial_id: str, rows: Sequence[Mapping[str, Any]], first_epoch: int) -> None:
        self._file = run / file_name(first_epoch, trial_id)
        content = records([version(), *(_epoch_event(row) for row in rows)])
        if not self._file.exists() or self._file.read_bytes() != content:
            run.mkdir(parents=True, exist_ok=True)
            write_atomically(self._file, content)

    def add(self, row: Mapping[str, Any]) -> None:
        """Append the scalars of one epoch; a TensorBoard that is already running shows them."""
        with self._file.open("ab") as file:
            file.write(records([_epoch_event(row)]))

    def show_best(self, best: BestEpoch, epoch: int, wall_time: float, class_names: Sequence[str]) -> None:
        """Pictures and confusion of the best epoch so far, in place of those of the best epoch before it."""
        pictures = {f"predictions/image_{index}": best.pictures[index] for index in best.fixed}
        pictures["confusion/validation"] = confusion_picture(best.validation.matrix, class_names)
        values = [_image(tag, jpeg) for tag, jpeg in pictures.items()]
        event = event_pb2.Event(wall_time=wall_time, step=epoch, summary=summary_pb2.Summary(value=values))
        content = records([version(), event])
        file = self._file.with_name(f"{self._file.name}.best")
        if not file.exists() or file.read_bytes() != content:
            write_atomically(file, content)


def mend_trial_events(run: Path, trial_id: str, rows: Sequence[Mapping[str, Any]], first_epoch: int) -> None:
    """Write the scalars of a finished trial again if its event file is damaged."""
    if not is_whole(run / file_name(first_epoch, trial_id)):
        TrialEvents(run, trial_id, rows, first_epoch)


def _epoch_event(row: Mapping[str, Any]) -> event_pb2.Event:
    scalars = {_tag(name): value for name, value in row.items() if name not in _NO_SCALARS and value is not None}
    return scalar_event(row["epoch"], scalars, row["time"])


def _tag(name: str) -> str:
    """TensorBoard groups charts by what stands before the slash."""
    if name in _COSTS:
        return f"trial/{name}"
    return f"validation/{name.removeprefix('val_')}" if name.startswith("val_") else f"train/{name}"


def _image(tag: str, jpeg: bytes) -> summary_pb2.Summary.Value:
    with Image.open(io.BytesIO(jpeg)) as picture:
        width, height = picture.size
    # TensorBoard's form of a list of pictures: its size as text, then the encoded pictures.
    tensor = tensor_util.make_tensor_proto([str(width).encode(), str(height).encode(), jpeg])
    metadata = image_metadata.create_summary_metadata(
        display_name="", description=PICTURE_MEANING[tag.partition("/")[0]], converted_to_tensor=True
    )
    return summary_pb2.Summary.Value(tag=tag, tensor=tensor, metadata=metadata)


_NO_SCALARS = ("trial_id", "config_id", "epoch", "time")


PICTURE_MEANING = {
    "predictions": "input, truth, prediction, error (red: wrong, grey: ignored), at the best epoch",
    "confusion": "percent of the pixels of each true class (row) by predicted class (column), at the best epoch",
}


_COSTS = ("learning_rate", "seconds", "images_per_second", "peak_memory_mb")
