"""A disk that is full, or becomes it, and data that go away: the search stops in time, and nothing is cut off."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from search.system.csv_files import read_csv
from search.trial.checkpoint import read_state, weights_file
from tests.faults.trials import trials_of
from tests.integration.program import Table, deeplab_search, running, write_study

pytestmark = [pytest.mark.timeout(1200), pytest.mark.long]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 96 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=96m", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("no small disk: only root may mount one")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(disk: Path, leave: int) -> Path:
    """Fill a disk up to so many bytes."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file, suppress(OSError):
        while (free := shutil.disk_usage(disk).free - leave) > 0:
            file.write(bytes(min(free, 2**20)))
    return filler


def test_a_disk_that_fills_up_stops_the_search_before_anything_is_cut_off(
    small_disk: Path, tmp_path: Path, tiny: Table
) -> None:
    changes: Table = {"hyperband": {"max_epochs": 12, "min_epochs": 12, "baseline": False}}
    file = write_study(tmp_path / "tiny.toml", tiny, **changes)
    command = ("run", file, "--directory", small_disk)
    study = small_disk / "tiny"
    with running(*command, cwd=tmp_path) as search:
        search.until((study / "trial_0000-0" / "last" / "state.json").exists)
        filler = fill(small_disk, 0)
        assert search.wait() == 1, search.output
    assert "No space left" in search.output or "no space left" in search.output
    assert "continue with:" in search.output
    assert "Traceback" not in search.output
    before = read_state(study / "trial_0000-0" / "last")
    assert before is not None
    assert before.epoch < 12, "it had ended before the disk was full"
    assert weights_file(study / "trial_0000-0" / "last") is not None

    # Little room is said before a trial is started.
    filler.unlink()
    filler = fill(small_disk, 20 * 2**20)
    early = deeplab_search(*command, cwd=tmp_path)
    assert early.status == 1, early.all
    assert "20 MiB are left on the disk of" in early.err
    assert "starts" not in early.out
    assert read_state(study / "trial_0000-0" / "last") == before

    filler.unlink()
    assert deeplab_search(*command, cwd=tmp_path).status == 0
    assert set(trials_of(study)["status"]) == {"completed"}
    own = read_csv(study / "trial_0000-0" / "epochs.csv")
    assert [row["epoch"] for row in own] == [str(epoch) for epoch in range(1, 13)]
    assert before.rows == (read_state(study / "trial_0000-0" / "best") or before).rows[: before.epoch]


def test_data_that_go_away_stop_the_search_and_cost_no_trial(
    tmp_path: Path, folder_data: Path, folder_study: Path
) -> None:
    command = ("run", folder_study, "--set", "hyperband.iterations=2")
    with running(*command, cwd=tmp_path) as search:
        search.until(lambda: "trial 0000-0 starts" in search.output)
        folder_data.rename(tmp_path / "elsewhere")
        assert search.wait() == 1, search.output
    assert "Traceback" not in search.output
    assert "the search stopped: trial 0000-0: DataError: " in search.output
    study = tmp_path / "results" / "own"
    assert list(trials_of(study)["status"]) == ["running"]
    gone = deeplab_search(*command, cwd=tmp_path)
    assert gone.status == 2, gone.all
    assert "does not exist" in gone.err
    (tmp_path / "elsewhere").rename(folder_data)
    again = deeplab_search(*command, cwd=tmp_path)
    assert again.status == 0, again.all
    assert list(trials_of(study)["status"]) == ["completed", "completed"]


def test_a_hang_is_ended_and_the_search_goes_on(tmp_path: Path, folder_data: Path, folder_study: Path) -> None:
    """An image that never comes: a pipe to which nobody writes."""
    settings = ("limits.epoch_stall_minutes=0.5", "limits.retries=0", "data.cache=false")
    options = [part for setting in settings for part in ("--set", setting)]
    image = folder_data / "train" / "images" / "2.png"
    whole = image.read_bytes()
    with running("run", folder_study, *options, cwd=tmp_path) as search:
        search.until(lambda: "trial 0000-0 starts" in search.output)
        image.unlink()
        os.mkfifo(image)
        search.until(lambda: "trial 0000-0 lost: no step for 0.5 minutes (epoch_stall_minutes)" in search.output)
        image.unlink()
        image.write_bytes(whole)
        assert search.wait() == 0, search.output
    trials = trials_of(tmp_path / "results" / "own")
    assert list(trials["status"]) == ["lost", "completed"]
