"""The search's own curves, as TensorBoard's own readers see them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.custom_scalar import layout_pb2
from tensorboard.util import tensor_util

from search.results.search_curves import BEST, BUSY, FAILED, FINISHED, SearchCurves, write_curve_layout
from search.study.objective import objective_of

ENDS = [(10.0, 0.5), (20.0, None), (30.0, 0.4), (40.0, 0.7)]


def curves(folder: Path) -> dict[str, list[tuple[int, float]]]:
    events = EventAccumulator(str(folder / "search"), size_guidance={"tensors": 0})
    events.Reload()
    return {
        tag: [
            (event.step, round(float(tensor_util.make_ndarray(event.tensor_proto)), 4)) for event in events.Tensors(tag)
        ]
        for tag in events.Tags()["tensors"]
    }


def test_the_best_so_far_and_the_counts(tmp_path: Path) -> None:
    written = SearchCurves(tmp_path, objective_of("val_mean_iou"), ENDS[:2])
    for end in ENDS[2:]:
        written.add_end(end)
    found = curves(tmp_path)
    assert found[BEST] == [(1, 0.5), (2, 0.5), (3, 0.5), (4, 0.7)]
    assert found[FINISHED] == [(step, step) for step in (1, 2, 3, 4)]
    assert found[FAILED] == [(1, 0), (2, 1), (3, 1), (4, 1)]


def test_a_loss_is_best_where_it_is_smallest(tmp_path: Path) -> None:
    SearchCurves(tmp_path, objective_of("val_loss"), ENDS)
    assert [value for _, value in curves(tmp_path)[BEST]] == [0.5, 0.5, 0.4, 0.4]


def test_before_a_trial_completes_there_is_no_best(tmp_path: Path) -> None:
    SearchCurves(tmp_path, objective_of("val_mean_iou"), [(1.0, None)])
    assert BEST not in curves(tmp_path)


@pytest.mark.parametrize("torn", [0, 1, 9, 13, 20])
def test_what_the_workers_did_survives_a_restart(tmp_path: Path, torn: int) -> None:
    first = SearchCurves(tmp_path, objective_of("val_mean_iou"), [])
    for seconds, busy in ((0, 1), (4, 2), (9, 1)):
        first.add_busy(busy, 100.0 + seconds, seconds)
    path = tmp_path / "search" / "events.out.tfevents.0000000000.workers"
    # A kill in the middle of the last point.
    path.write_bytes(path.read_bytes()[: -torn or None])
    again = SearchCurves(tmp_path, objective_of("val_mean_iou"), ENDS)
    again.add_busy(3, 200.0, 100)
    kept = [(0, 1), (4, 2), (9, 1)] if torn == 0 else [(0, 1), (4, 2)]
    assert curves(tmp_path)[BUSY] == [*kept, (100, 3)]
    assert len(curves(tmp_path)[BEST]) == 4


def test_the_layout_names_the_curves_that_there_are(tmp_path: Path) -> None:
    write_curve_layout(tmp_path, "val_mean_iou")
    events = EventAccumulator(str(tmp_path))
    events.Reload()
    (event,) = events.Tensors("custom_scalars__config__")
    layout = layout_pb2.Layout.FromString(event.tensor_proto.string_val[0])
    tags = [tag for category in layout.category for chart in category.chart for tag in chart.multiline.tag]
    assert {f"^{name}$" for name in (BEST, BUSY, FINISHED, FAILED, "validation/mean_iou", "train/mean_iou")} <= set(
        tags
    )


def test_logs_are_written_without_a_training_backend(tmp_path: Path) -> None:
    program = """
import sys
import subprocess
import sys
from pathlib import Path
import numpy as np
from search.results.hparams import write_hparams, write_hparams_layout
from search.results.search_curves import SearchCurves, write_curve_layout
from search.study.objective import objective_of
from search.trial.events import TrialEvents
from search.trial.pictures import side_by_side
from search.trial.validation import BestEpoch, Validation
folder = Path(sys.argv[1])
one = np.ones((1, 2), np.int64)
picture = side_by_side(np.zeros((8, 8, 3), np.uint8), np.zeros((8, 8), np.uint8), np.zeros((8, 8), np.uint8), 255)
best = BestEpoch(Validation(0.5, np.eye(2, dtype=np.int64), one, one, one), {0: picture})
events = TrialEvents(folder / "0000", "0000-0", [{"epoch": 1, "time": 1.0, "val_loss": 0.5}], 0)
events.show_best(best, 1, 1.0, ["a", "b"])
write_hparams(folder / "0000", "0000", {"rung": 0}, {"best/val_loss": 0.5}, 1, 1.0)
write_hparams_layout(folder, {"rung": [], "config_id": None}, ["best/val_loss"])
SearchCurves(folder, objective_of("val_mean_iou"), [(1.0, 0.5)]).add_busy(1, 1.0, 0.0)
write_curve_layout(folder, "val_mean_iou")
print(sorted({"tensorflow", "keras", "jax", "torch"} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", program, tmp_path], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "[]", done.stderr
    assert BEST in curves(tmp_path)
