"""The search's own curves in TensorBoard: best so far, trials that finished and failed, workers busy.

They are the run `search`, on an axis of finished trials; workers are on an axis of seconds since the first start.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from tensorboard.compat.proto import event_pb2, summary_pb2
from tensorboard.plugins.custom_scalar import layout_pb2
from tensorboard.plugins.custom_scalar import metadata as layout_metadata
from tensorboard.util import tensor_util

from search.study.objective import Objective
from search.system.event_files import file_name, records, scalar_event, version, whole_records, write_events
from search.system.files import write_atomically

RUN = "search"
BEST, FINISHED, FAILED, BUSY = (f"search/{name}" for name in ("best_so_far", "finished", "failed", "workers_busy"))

# When a trial ended in seconds since 1970, and its score; None where it failed.
End = tuple[float, float | None]


class SearchCurves:
    """Event files of the search as a whole; each point is appended.

    Args:
        folder: of all runs.
        objective: which score is the better one.
        ends: the trials that have ended, in the order in which they did. Their curves are written anew; what the
            workers did before cannot be known from the trials, and is kept.
    """

    def __init__(self, folder: Path, objective: Objective, ends: Iterable[End]) -> None:
        self._run, self._objective = folder / RUN, objective
        self._finished = self._failed = 0
        self._best: float | None = None
        self._trials, self._workers = self._run / file_name(0, "trials"), self._run / file_name(0, "workers")
        write_events(self._run, "trials", [self._end_event(end) for end in ends])
        kept = whole_records(self._workers.read_bytes()) if self._workers.exists() else records([version()])
        write_atomically(self._workers, kept)

    def add_end(self, end: End) -> None:
        """A trial has ended."""
        _append(self._trials, self._end_event(end))

    def add_busy(self, workers: int, wall_time: float, since_start: float) -> None:
        """So many workers train from now on; `since_start` in seconds."""
        _append(self._workers, scalar_event(round(since_start), {BUSY: workers}, wall_time))

    def _end_event(self, end: End) -> event_pb2.Event:
        wall_time, score = end
        self._finished += 1
        self._failed += score is None
        if score is not None and self._objective.is_better(score, self._best):
            self._best = score
        best = {} if self._best is None else {BEST: self._best}
        return scalar_event(self._finished, {**best, FINISHED: self._finished, FAILED: self._failed}, wall_time)


def write_curve_layout(folder: Path, objective: str) -> None:
    """Declare the charts of the custom-scalars page: the search's own, then those of the configurations.

    Args:
        folder: of all runs.
        objective: the column of `epochs.csv` that is compared.
    """
    compared = objective.removeprefix("val_")
    charts = {
        "the search": {
            "best so far, over finished trials": BEST,
            "workers busy, over seconds": BUSY,
            "trials finished": FINISHED,
            "trials failed": FAILED,
        },
        "the configurations, over epochs": {
            f"validation {compared}": f"validation/{compared}",
            f"training {compared}": f"train/{compared}",
            "learning rate": "trial/learning_rate",
            "images a second": "trial/images_per_second",
        },
    }
    categories = [
        layout_pb2.Category(title=title, chart=[_chart(name, tag) for name, tag in tags.items()])
        for title, tags in charts.items()
    ]
    content = layout_pb2.Layout(category=categories).SerializeToString()
    value = summary_pb2.Summary.Value(
        tag=layout_metadata.CONFIG_SUMMARY_TAG,
        tensor=tensor_util.make_tensor_proto(content),
        metadata=layout_metadata.create_summary_metadata(),
    )
    write_events(folder, "curves", [event_pb2.Event(wall_time=0.0, summary=summary_pb2.Summary(value=[value]))])


def _chart(title: str, tag: str) -> layout_pb2.Chart:
    return layout_pb2.Chart(title=title, multiline=layout_pb2.MultilineChartContent(tag=[f"^{tag}$"]))


def _append(path: Path, event: event_pb2.Event) -> None:
    with path.open("ab") as file:
        file.write(records([event]))
