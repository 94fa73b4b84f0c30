"""The framing of TensorBoard's event files: records one after the other, each with its length before it."""

from __future__ import annotations

import io
import math
import struct
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from tensorboard.compat.proto import event_pb2, summary_pb2
from tensorboard.plugins.scalar.metadata import create_summary_metadata
from tensorboard.summary.writer.record_writer import RecordWriter
from tensorboard.util import tensor_util

from search.system.files import write_atomically

# Length (8 bytes), its checksum (4); then the record, and its checksum (4).
_HEADER, _CHECKSUM = 12, 4


def is_whole(path: Path) -> bool:
    """Whether an event file is there and ends where its last record does; a file that was cut off does not."""
    content = path.read_bytes() if path.is_file() else b""
    return 0 < len(content) == len(whole_records(content))


def whole_records(content: bytes) -> bytes:
    """The content of an event file up to the first record that a kill left unfinished."""
    end = 0
    while (start := end + _HEADER) <= len(content):
        (length,) = struct.unpack_from("<Q", content, end)
        after = start + length + _CHECKSUM
        if after > len(content):
            break
        end = after
    return content[:end]


def scalar_event(step: int, scalars: Mapping[str, float], wall_time: float) -> event_pb2.Event:
    """One point of several curves; values that are not finite are left out."""
    values = [_scalar(tag, value) for tag, value in scalars.items() if math.isfinite(value)]
    return event_pb2.Event(wall_time=wall_time, step=step, summary=summary_pb2.Summary(value=values))


def _scalar(tag: str, value: float) -> summary_pb2.Summary.Value:
    metadata = create_summary_metadata(display_name="", description="")
    return summary_pb2.Summary.Value(tag=tag, tensor=tensor_util.make_tensor_proto(float(value)), metadata=metadata)


def write_events(folder: Path, name: str, events: Sequence[event_pb2.Event], order: int = 0) -> None:
    """Replace an event file."""
    folder.mkdir(parents=True, exist_ok=True)
    # Not durable: what a study shows follows from its trials and is written anew where it is damaged.
    write_atomically(folder / file_name(order, name), records([version(), *events]), durable=False)


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
