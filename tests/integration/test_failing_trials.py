from __future__ import annotations

import shlex
import sys
from pathlib import Path

import pandas as pd
import pytest

from tests.integration.program import Table, deeplab_search, running, write_study

# Every trial is one epoch of its own configuration.
ONE_EPOCH = {"max_epochs": 1, "baseline": False}


# `tests/faults/test_stock_faults.py` has a trial that diverges in its second epoch, and always runs.
@pytest.mark.long
def test_a_trial_that_diverges_is_recorded_and_the_search_goes_on(tmp_path: Path, tiny: Table) -> None:
    # Each step of plain descent at rate 10 multiplies the weights by 1 - 10 x 0.9.
    space = {"learning_rate": [0.001, 10.0], "aspp_rate": 1}
    recipe = {"optimizer": "sgd", "weight_decay": 0.9, "schedule": "constant", "batch_size": 1}
    study = {"name": "tiny", "seed": 7}  # draws both
    settings: Table = {"study": study, "hyperband": {**ONE_EPOCH, "iterations": 2}, "space": space, "recipe": recipe}
    file = write_study(tmp_path / "s.toml", tiny, data={"train_images": 48}, **settings)
    done = deeplab_search("run", file, "--workers", "2", cwd=tmp_path)
    assert done.status == 0, done.all
    trials = pd.read_csv(tmp_path / "results" / "tiny" / "trials.csv").sort_values("trial_id")
    print(trials[["trial_id", "status", "error", "hp:learning_rate", "score"]])
    diverged = trials["hp:learning_rate"] == 10
    assert list(trials["status"]) == ["diverged" if fast else "completed" for fast in diverged]
    assert set(trials["status"]) == {"diverged", "completed"}
    assert set(trials.loc[diverged, "error"]) == {"the loss is not finite"}
    assert trials.loc[diverged, "score"].isna().all()
    assert "diverged: the loss is not finite" in done.out


def test_a_trial_that_takes_too_long_is_ended_and_keeps_its_epochs(tmp_path: Path, tiny: Table) -> None:
    hyperband = {"max_epochs": 900, "min_epochs": 900, "baseline": False, "iterations": 1}
    limits = {"retries": 0, "abort_after_failures": 1}
    command = ("run", write_study(tmp_path / "s.toml", tiny, hyperband=hyperband, limits=limits), "--workers", "1")
    # Its first epochs are there before a limit counts: how long they take depends on the machine.
    with running(*command, cwd=tmp_path) as search:
        search.until((tmp_path / "results" / "tiny" / "trial_0000-0" / "last" / "state.json").exists)
    done = deeplab_search(*command, "--set", "limits.trial_minutes=0.05", cwd=tmp_path)
    assert done.status == 1, done.all
    reason = "took longer than 0.05 minutes (trial_minutes)"
    assert f"trial 0000-0 lost: {reason}" in done.out
    assert f"the search stopped: the first trial failed: {reason}" in done.all
    study = tmp_path / "results" / "tiny"
    (trial,) = pd.read_csv(study / "trials.csv").to_dict("records")
    epochs = pd.read_csv(study / "epochs.csv")
    assert (trial["status"], trial["error"]) == ("lost", reason)
    assert trial["score"] == epochs["val_mean_iou"].max()
    assert 1 <= len(epochs) < 900


@pytest.mark.long
def test_an_image_that_breaks_during_a_search_stops_it_and_costs_no_trial(
    tmp_path: Path, folder_data: Path, folder_study: Path
) -> None:
    # Images are read anew in each epoch.
    arguments = ("run", folder_study, "--set", "data.cache=false", "--set", "hyperband.iterations=1")
    image = folder_data / "val" / "images" / "0.png"
    whole = image.read_bytes()
    with running(*arguments, cwd=tmp_path) as search:
        search.until(lambda: "trial 0000-0 starts" in search.output)
        image.write_bytes(whole[:200])
        assert search.wait() == 1, search.output
    study = tmp_path / "results" / "own"
    assert "Traceback" not in search.output
    assert f"DataError: Cannot read image {image}: image file is truncated" in search.output
    assert "Traceback" in (study / "trial_0000-0" / "log.txt").read_text()
    assert "continue with:" in search.output
    assert list(pd.read_csv(study / "trials.csv")["status"]) == ["running"]

    # The image is whole again: the same command goes on.
    image.write_bytes(whole)
    again = deeplab_search(*arguments, cwd=tmp_path)
    assert again.status == 0, again.all
    trials = pd.read_csv(study / "trials.csv")
    assert list(trials["status"]) == ["completed"]
    assert trials["error"].isna().all()


# The test before stops a search for its data too, and always runs.
@pytest.mark.long
def test_data_that_change_during_a_search_stop_it(tmp_path: Path, folder_data: Path, folder_study: Path) -> None:
    with running("run", folder_study, cwd=tmp_path) as search:
        search.until(lambda: "trial 0000-0 starts" in search.output)
        for file in (folder_data / "train").glob("*/0.png"):
            file.unlink()
        assert search.wait() == 1, search.output
    assert "DataError: the data have changed since the search started: " in search.output
    assert "{'train': 4, 'val': 2} images, now {'train': 3, 'val': 2}" in search.output


@pytest.mark.parametrize(("failures", "outcome"), [(5, "failed"), pytest.param(1, "stopped", marks=pytest.mark.long)])
def test_the_last_command_knows_that_nothing_completed_and_may_use_the_study(
    failures: int, outcome: str, tmp_path: Path, tiny: Table
) -> None:
    program = (
        "import os, sys; from pathlib import Path; from search.study import is_driven, open_study; "
        "said = os.environ['DEEPLAB_SEARCH_OUTCOME'], is_driven(open_study(Path(sys.argv[1]))); "
        "Path('said.txt').write_text(str(said))"
    )
    file = write_study(
        tmp_path / "s.toml",
        tiny,
        study={"name": "tiny", "on_end": shlex.join([sys.executable, "-c", program])},
        hyperband=ONE_EPOCH,
        space={"learning_rate": 10.0, "aspp_rate": 1},
        recipe={"optimizer": "sgd", "weight_decay": 0.9, "schedule": "constant", "batch_size": 1},
        data={"train_images": 48},
        limits={"abort_after_failures": failures},
    )
    done = deeplab_search("run", file, cwd=tmp_path)
    assert done.status == 1, done.all
    assert (tmp_path / "said.txt").read_text() == str((outcome, False)), done.all
