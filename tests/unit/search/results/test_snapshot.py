"""Where a search stands: counts, the best, the time left; and what the terminal shows of it."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import pytest
from rich.console import Console

from search.oracle.schedule import make_schedule
from search.results.snapshot import UNFINISHED, Snapshot, snapshot_from_disk, take_snapshot, trial_rows
from search.results.tally import RungView, Tally
from search.study.columns import TRIAL_COLUMNS, typed_row
from search.study.folder import Study
from search.study.objective import objective_of
from search.system.csv_files import write_csv
from search.system.files import write_json
from search.terminal import live as shown
from search.terminal.live import SearchConsole
from search.terminal.tables import render, summary_line, trial_line, trial_table


def row(trial_id: str, status: str, score: float | None = None, **values: Any) -> dict[str, Any]:
    """A row of `trials.csv`; three epochs are the most here, so bracket 1 has rungs of 3 and 1, bracket 0 one of 2."""
    if trial_id == "baseline":
        place: dict[str, Any] = {"first_epoch": 1, "last_epoch": 3}
    else:
        number, rung = (int(part) for part in trial_id.split("-"))
        wide = number < 3
        place = {"iteration": 0, "bracket": int(wide), "rung": rung, "first_epoch": 1 + rung}
        place["last_epoch"] = 1 if wide and rung == 0 else 3
    ended = status not in ("queued", "running")
    costs = {"total_seconds": 10.0 * (place["last_epoch"] - place["first_epoch"] + 1) if ended else None}
    sizes = {"parameters": 1_230_000, "macs": 4_560_000_000, "worker": "cpu0", "attempts": 1}
    best = {"best_epoch": place["last_epoch"] if score is not None else None}
    return {"trial_id": trial_id, "status": status, "score": score, **place, **costs, **sizes, **best, **values}


ROWS = [
    row("baseline", "completed", 0.5),
    row("0000-0", "completed", 0.61234),
    row("0001-0", "out_of_memory", error="ResourceExhaustedError: [1,2]"),
    row("0002-0", "completed", 0.3),
    row("0000-1", "running"),
    row("0003-0", "queued"),
]


@pytest.fixture
def study(make_study: Callable[..., Study]) -> Study:
    return make_study()


def snapshot_of(study: Study, rows: list[dict[str, Any]] = ROWS, workers: int = 1) -> Snapshot:
    config = study.config()
    ended = [typed_row(row) for row in rows if row["status"] not in UNFINISHED]
    tally = Tally(make_schedule(config.hyperband), objective_of(config.study.objective), ended)
    unfinished = [row for row in rows if row["status"] in UNFINISHED]
    return take_snapshot(study, config, tally, unfinished, workers)


def progress(study: Study, trial_id: str, **report: Any) -> None:
    study.trial(trial_id).mkdir(exist_ok=True)
    write_json(study.trial(trial_id) / "progress.json", {"last_epoch": 3, "worker": "cpu0", "time": 0.0, **report})


def test_rungs_trials_and_the_best(study: Study) -> None:
    snapshot = snapshot_of(study)
    assert [(view.rung, view.last_epoch, view.size) for view in snapshot.rungs] == [(0, 1, 3), (1, 3, 1), (0, 3, 2)]
    assert [(view.done, view.running, view.failed) for view in snapshot.rungs] == [(3, 0, 1), (0, 1, 0), (0, 0, 0)]
    assert isinstance(snapshot.rungs[0], RungView)
    assert (snapshot.finished, snapshot.trials_total, snapshot.is_over) == (4, 7, False)
    assert [failure["trial_id"] for failure in snapshot.failures] == ["0001-0"]
    assert snapshot.best is not None
    assert snapshot.baseline is not None
    assert (snapshot.best["trial_id"], snapshot.baseline["score"]) == ("0000-0", 0.5)


def test_a_loss_is_best_where_it_is_smallest(make_study: Callable[..., Study]) -> None:
    best = snapshot_of(make_study(study={"objective": "val_loss"})).best
    assert best is not None
    assert best["trial_id"] == "0002-0"


@pytest.mark.parametrize(
    ("report", "epochs"),
    [
        (None, 6),
        ({"phase": "start", "epoch": 2, "step": 0, "steps": 0}, 6),
        ({"phase": "train", "epoch": 2, "step": 5, "steps": 20}, 6.25),
        ({"phase": "validate", "epoch": 2, "step": 1, "steps": 20}, 7),
        ({"phase": "train", "epoch": 3, "step": 10, "steps": 20}, 7.5),
    ],
)
def test_epochs_and_the_time_left(study: Study, report: dict[str, Any] | None, epochs: float) -> None:
    if report is not None:
        progress(study, "0000-1", **report)
    snapshot = snapshot_of(study, workers=2)
    assert (snapshot.epochs_done, snapshot.epochs_total) == (epochs, 14)
    # 10 seconds an epoch were measured; two run at a time.
    assert snapshot.seconds_left == pytest.approx((14 - epochs) * 10 / 2)


def test_the_time_left_tells_starting_from_training(study: Study) -> None:
    # 10 seconds each, 4 of them in training: first rungs are mostly starting, and say little of a long training.
    rows = [row("0000-0", "completed", 0.5, train_seconds=4.0), row("0001-0", "completed", 0.4, train_seconds=4.0)]
    snapshot = snapshot_of(study, rows)
    assert snapshot.seconds_left == pytest.approx((14 - 2) * 4 + (7 - 2) * 6)


def test_nothing_measured_yet(study: Study) -> None:
    snapshot = snapshot_of(study, [row("baseline", "running")])
    assert (snapshot.seconds_left, snapshot.best, snapshot.baseline, snapshot.epochs_done) == (None, None, None, 0)
    assert "left" not in summary_line(snapshot)
    assert "none yet" in text_of(snapshot, 80)


def test_a_torn_progress_file_is_no_progress(study: Study) -> None:
    progress(study, "0000-1")
    (study.trial("0000-1") / "progress.json").write_text('{"epo')
    assert snapshot_of(study).running[0]["phase"] == "start"


def test_from_disk_it_is_the_same(study: Study) -> None:
    write_csv(study.trials_csv, TRIAL_COLUMNS, ROWS)
    with study.trials_csv.open("a") as file:
        file.write("0004-0,torn")
    on_disk, live = snapshot_from_disk(study), snapshot_of(study)
    assert on_disk.rungs == live.rungs
    assert (on_disk.epochs_done, on_disk.seconds_left) == (live.epochs_done, live.seconds_left)
    assert [one["score"] for one in trial_rows(study)] == [one.get("score") for one in ROWS]


def test_a_search_that_ends_early_is_over(study: Study) -> None:
    study.finished_file.touch()
    snapshot = snapshot_of(study, ROWS[:4])
    assert snapshot.is_over
    assert (snapshot.trials_total, snapshot.epochs_done, snapshot.epochs_total) == (4, 6, 6)
    assert snapshot.seconds_left == 0
    assert summary_line(snapshot) == "tiny · 4/4 trials · 6/6 epochs · finished"


def text_of(snapshot: Snapshot, width: int) -> str:
    console = Console(file=io.StringIO(), width=width, record=True, highlight=False, force_terminal=True)
    console.print(render(snapshot))
    console.print(trial_table([typed_row(one) for one in ROWS], snapshot.tally.objective, limit=3, width=width))
    return console.export_text()


@pytest.mark.parametrize("width", [80, 50])
def test_the_terminal_shows_the_essentials(study: Study, width: int) -> None:
    progress(study, "0000-1", phase="train", epoch=2, step=5, steps=20, images_per_second=12.34)
    text = text_of(snapshot_of(study), width)
    assert max(len(line) for line in text.splitlines()) <= width
    flat = " ".join(text.split())
    assert "4/7 trials" in flat
    assert "6/14 epochs" in flat
    assert "about 1 min 18 s left" in flat
    assert "best so far: 0000-0 val_mean_iou 0.6123 (+0.1123 against the baseline's 0.5000)" in flat
    assert "1 failed: 0001-0 out_of_memory: ResourceExhaustedError: [1,2]" in flat
    assert "3/3 1 failed" in flat
    assert "0000-1" in flat
    assert "2/3" in flat
    assert "12.3" in flat
    ranking = text[text.index("trials, best first") :]
    assert ranking.index("0.6123") < ranking.index("0.5000") < ranking.index("0.3000")
    assert all(name in ranking for name in ("0000-0", "baseline", "completed")), "no cell is cut off"
    assert "and 3 more in trials.csv" in flat


def test_the_terminal_is_live_and_left_clean(study: Study) -> None:
    file = io.StringIO()
    with SearchConsole(Console(file=file, width=80, force_terminal=True)) as console:
        console.update(lambda: snapshot_of(study))
        console.say("trial [0000-1] starts", "yellow")
    written = file.getvalue()
    assert "4/7 trials" in written
    assert "trial [0000-1] starts" in written


def test_of_many_brackets_those_under_way_are_shown(make_study: Callable[..., Study]) -> None:
    study = make_study(hyperband={"iterations": 8})
    rows = [{**one, "status": "completed"} for one in ROWS] + [row("0001-0", "completed", 0.1)]
    lines = text_of(snapshot_of(study, rows), 80).splitlines()
    shown = [line for line in lines if "to 1 " in line or "to 3 " in line]
    assert len(shown) == 1, "bracket 1 is done, and bracket 0 has one of two"
    assert any("1 bracket done, 14 not begun" in line for line in lines)


def test_without_a_terminal_it_is_plain_lines(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    file = io.StringIO()
    plain = Console(file=file, width=50, force_terminal=False)
    line = trial_line(ROWS[2], "val_mean_iou") + " and something very long" * 5
    with SearchConsole(plain) as console:
        console.update(lambda: snapshot_of(study))
        assert file.getvalue() == "", "not more often than once a minute"
        monkeypatch.setattr(shown, "PLAIN_INTERVAL", 0.0)
        console.update(lambda: snapshot_of(study))
        console.say(line)
    first, second = file.getvalue().splitlines()
    assert first.endswith(summary_line(snapshot_of(study)))
    assert second.endswith(line)
    assert "\x1b" not in first + second


def test_a_trial_in_one_line() -> None:
    assert trial_line(ROWS[1], "val_loss") == "trial 0000-0 completed  val_loss 0.6123  epochs 1-1  10 s"
    assert trial_line(ROWS[2], "val_loss") == "trial 0001-0 out_of_memory: ResourceExhaustedError: [1,2]"
