"""Every state file cut off at random places: the next run goes on with the same result, or says what to do."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from contextlib import chdir
from pathlib import Path
from random import Random

import pytest

from search.commands.doctor import check_study
from search.commands.run import run_study
from search.errors import UserError
from tests.faults.trials import assert_same_results, trial_processes
from tests.integration.program import Table, deeplab_search, running, write_study

CUTS = int(os.environ.get("DAMAGE_CUTS", "1"))
# Larger than any process number.
NOBODY = 2**22 + 1
# Whatever a finished study has, by name.
FILES = (
    *("study.toml", "study.toml.bak", "oracle.json", "tuner0.json", "trials.csv", "epochs.csv", "best.toml"),
    *("trial_0000-0/trial.json", "trial_0000-0/trial.json.bak", "trial_0000-0/epochs.csv", "trial_baseline/trial.json"),
    *("trial_baseline/epochs.csv", "trial_baseline/log.txt", "trial_baseline/progress.json", ".finished", ".lock"),
    *("tensorboard/baseline", "tensorboard/0000", "tensorboard/layout"),
)


def files_of(study: Path, name: str) -> list[Path]:
    """The files that a name of `FILES` stands for: all event files of a run."""
    if not name.startswith("tensorboard"):
        return [study / name]
    folder = study / name if (study / name).is_dir() else study / "tensorboard"
    return sorted(path for path in folder.iterdir() if path.is_file())


def run_here(study: Path) -> None:
    """`run` on a study in which nothing is left to train, in this process."""
    run_study(study.parents[1] / "tiny.toml", ["workers.count=2"], None, fresh=False)


@pytest.fixture(scope="module")
def settled(study: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The finished study after one more `run` here, which has written what it writes for times of its own."""
    folder = tmp_path_factory.mktemp("settled")
    shutil.copytree(study.parents[1], folder, dirs_exist_ok=True)
    with chdir(folder):
        run_here(folder / "results" / "tiny")
    return folder / "results" / "tiny"


@pytest.fixture
def in_folder(study_copy: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The copy of the finished study, with its parent as the present folder."""
    monkeypatch.chdir(study_copy.parents[1])
    return study_copy


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_was_cut_off_costs_no_trial(
    name: str, settled: Path, study: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(settled.parents[1], tmp_path, dirs_exist_ok=True)
    in_folder = tmp_path / "results" / "tiny"
    expected = {path: path.read_bytes() for path in in_folder.rglob("*") if path.is_file()}
    for path in files_of(in_folder, name):
        assert path in expected, f"{path} is no file of a study"
        for length in [Random(f"{name} {cut}").randrange(max(len(expected[path]), 1)) for cut in range(CUTS)]:
            path.write_bytes(expected[path][:length])
            with chdir(tmp_path):
                run_here(in_folder)
            assert_same_results(in_folder, study)
            assert "starts" not in capsys.readouterr().out, f"{path} at {length}"
            if name.endswith(("log.txt", "progress.json")):
                continue  # of one attempt, which is over
            if name.startswith("tensorboard"):
                assert len(path.read_bytes()) >= length
            else:
                assert path.read_bytes() == expected[path], f"{path} at {length}"


def test_doctor_says_what_it_found_and_mended(in_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    check_study(in_folder)
    assert "nothing is damaged" in capsys.readouterr().out
    whole = {name: (in_folder / name).read_bytes() for name in ("study.toml", "trial_0000-0/trial.json")}
    for name in (*whole, "oracle.json", "trials.csv"):
        (in_folder / name).write_bytes((in_folder / name).read_bytes()[:100])
    weights = next(in_folder.glob("trial_*/best/*.weights.h5"))
    weights.write_bytes(weights.read_bytes()[:100])
    (in_folder / f".best.toml.{NOBODY}.tmp").write_text("half")
    check_study(in_folder)
    said = capsys.readouterr().out
    for line in (
        "study.toml was damaged; restored from its copy",
        "trial_0000-0/trial.json was damaged; restored from its copy",
        f".best.toml.{NOBODY}.tmp was half written; removed",
        f"{weights.parent.name}: the weights damaged; it can't be exported",
        "oracle.json is damaged or missing; the next run writes it anew",
        "trials.csv is damaged or missing; the next run writes it anew",
        "tiny: 7 trials",
        "6 found",
    ):
        assert line in said
    assert {name: (in_folder / name).read_bytes() for name in whole} == whole


def test_both_files_of_the_configuration_damaged_is_one_message(in_folder: Path) -> None:
    for name in ("study.toml", "study.toml.bak"):
        (in_folder / name).write_bytes((in_folder / name).read_bytes()[:80])
    before = sorted(in_folder.rglob("*"))
    for command in (run_here, check_study):
        with pytest.raises(UserError, match=r"is damaged, and so is its copy .*--fresh"):
            command(in_folder)
    assert sorted(in_folder.rglob("*")) == before


def cut_last(trial: Path) -> None:
    for path in trial.glob("last/*.weights.h5"):
        # Not through the hard link: `best/` may share the bytes.
        content = path.read_bytes()
        path.unlink()
        path.write_bytes(content[: len(content) // 3])


def cut_state(trial: Path) -> None:
    for path in trial.glob("last/state.json"):
        path.write_text(path.read_text()[:50])


def cut_everything(trial: Path) -> None:
    for path in [*trial.glob("*/*"), *trial.glob("*.*")]:
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


@pytest.mark.long
@pytest.mark.timeout(1200)
def test_damage_to_trials_in_flight_changes_no_result(study: Path, tmp_path: Path, tiny: Table) -> None:
    """Each trial that a kill left unfinished is damaged in another way; all of them are continued."""
    file = write_study(tmp_path / "tiny.toml", tiny)
    found = tmp_path / "results" / "tiny"
    with running("run", file, "--workers", "2", cwd=tmp_path) as search:
        search.until((found / "trial_0000-1" / "last" / "state.json").exists)
        assert trial_processes(search)
        search.kill()
    damages: list[Callable[[Path], None]] = [cut_last, cut_state, cut_everything]
    for trial, damage in zip(["0000-1", "0003-0", "0004-0"], damages, strict=True):
        damage(found / f"trial_{trial}")
    # And the checkpoint of a trial that has been promoted.
    shutil.rmtree(found / "trial_0000-0" / "last", ignore_errors=True)
    again = deeplab_search("run", file, "--workers", "2", cwd=tmp_path)
    assert again.status == 0, again.all
    assert "Traceback" not in again.all
    assert_same_results(found, study)
