"""What the columns of `trials.csv` hold: one declaration for reading, checking and data frames."""

from __future__ import annotations

import pytest

from search.study.columns import TRIAL_COLUMNS, is_trial_row, kind_of, typed_row

ROW = dict.fromkeys(TRIAL_COLUMNS, "") | {
    "trial_id": "0007-1",
    "status": "completed",
    "attempts": "1",
    "score": "0.5",
    "first_epoch": "1",
    "last_epoch": "3",
    "parameters": "604123",
    "hp:aspp_filters": "64",
}


def test_numbers_are_read_and_empty_cells_are_none() -> None:
    typed = typed_row(ROW)
    assert (typed["score"], typed["attempts"], typed["parameters"], typed["bracket"]) == (0.5, 1, 604_123, None)
    assert (typed["trial_id"], typed["parent_id"], typed["hp:aspp_filters"]) == ("0007-1", "", "64")


def test_a_row_of_values_stays_as_it_is() -> None:
    assert typed_row({**typed_row(ROW), "extra": [1]}) == {**typed_row(ROW), "extra": [1]}


@pytest.mark.parametrize("missing", [name for name in TRIAL_COLUMNS if name != "trial_id"])
def test_a_row_without_a_column_is_no_trial(missing: str) -> None:
    assert is_trial_row(ROW)
    assert not is_trial_row({name: cell for name, cell in ROW.items() if name != missing})


@pytest.mark.parametrize(
    ("name", "cell"),
    [
        ("trial_id", "../../etc"),
        ("attempts", ""),
        ("last_epoch", "3.5"),
        ("rung", "one"),
        ("score", "nan"),
        ("total_seconds", "1e999"),
        ("parameters", "9" * 400),
    ],
)
def test_a_row_with_a_damaged_cell_is_no_trial(name: str, cell: str) -> None:
    assert not is_trial_row({**ROW, name: cell})


def test_kinds() -> None:
    names = ("error", "started", "rung", "epoch", "macs", "score", "metric:val_loss", "val_iou_road", "hp:encoder")
    kinds = ("text", "time", "whole", "whole", "whole", "number", "number", "number", "hyperparameter")
    assert tuple(map(kind_of, names)) == kinds
