"""A study that version 0.1 left unfinished: read as it is, and continued by this version and by a later one."""

from __future__ import annotations

import os
import shutil
import signal
import tomllib
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pytest

from search.system.machine import project_version
from tests.conftest import ROOT
from tests.integration.program import Result, deeplab_search, listing, running

# The rest of a search, on a machine that may be busy.
pytestmark = pytest.mark.timeout(1200)

NAME = "interrupted-0.1"
STUDIES = ROOT.parent / "shared" / "studies"
SOURCES = ("deeplab", "datasets", "hyperparameters", "search", "space.py", "recipe.py")
LATER = "9.0.0"
# What version 0.1 had finished, and what it would have promoted and drawn.
FINISHED = {
    "0000-0": "e09a5650",
    "0001-0": "889f6038",
    "0002-0": "29e3dac8",
    "0003-0": "0dd34ab1",
    "0004-0": "ad842e8e",
}
FURTHER = {"0003-1": "0dd34ab1", "0000-1": "e09a5650", "0005-0": "0fb4600f", "0006-0": "0362e8a7", "0007-0": "f60a4772"}


@pytest.fixture(scope="module")
def old_study() -> Path:
    """The folder of the unfinished study, to read only; its study file lies beside it."""
    if not (STUDIES / NAME).is_dir():
        pytest.skip(f"no study of version 0.1: there is no shared/studies/{NAME} beside the clone")
    return STUDIES / NAME


def copy_of(old_study: Path, folder: Path) -> Path:
    shutil.copytree(old_study, folder / "results" / NAME)
    shutil.copy(old_study.with_name(f"{NAME}.toml"), folder)
    return folder / "results" / NAME


def finished_trials(study: Path) -> dict[str, bytes]:
    return {trial: (study / f"trial_{trial}" / "trial.json").read_bytes() for trial in FINISHED}


def later_version(folder: Path) -> Path:
    """The sources of a version in which `Architecture` and `Recipe` have one more field each, as it is installed."""
    for name in SOURCES:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, folder / name)
    for file, after, field in (
        ("recipe.py", '    augment: Literal["none", ', "    ema: bool = False\n"),
        ("deeplab/architecture.py", "    decoder_depth: Annotated[", "    head_dropout: float = 0.0\n"),
    ):
        before, found, rest = (folder / file).read_text().partition(after)
        assert found
        (folder / file).write_text(before + field + found + rest)
    installed = folder / f"deeplab_search-{LATER}.dist-info"
    installed.mkdir()
    (installed / "METADATA").write_text(f"Metadata-Version: 2.1\nName: deeplab-search\nVersion: {LATER}\n")
    return folder


@dataclass
class Continued:
    """The study after this version continued it, was interrupted, and a later version ended it."""

    study: Path
    old: Path
    first: str
    taken_over: bytes
    last: Result


# The tests of the continued search take minutes. How a study file of version 0.1 is read is in `tests/unit`, and always
# tested.
@pytest.fixture(scope="module")
def continued(old_study: Path, tmp_path_factory: pytest.TempPathFactory) -> Continued:
    folder = tmp_path_factory.mktemp("old")
    study = copy_of(old_study, folder)
    with running("run", f"{NAME}.toml", cwd=folder) as search:
        search.until(lambda: "trial 0005-0 starts" in search.output)
        os.kill(search.process.pid, signal.SIGINT)
        assert search.wait() == 130, search.output
    taken_over = (study / "study.toml").read_bytes()
    sources = later_version(tmp_path_factory.mktemp("later"))
    last = deeplab_search("run", f"{NAME}.toml", cwd=folder, PYTHONPATH=str(sources))
    assert last.status == 0, last.all
    return Continued(study, old_study, search.output, taken_over, last)


@pytest.mark.long
def test_every_trial_of_version_0_1_is_kept_as_it_is(continued: Continued) -> None:
    assert finished_trials(continued.study) == finished_trials(continued.old)
    assert not list(continued.study.glob("trial_*/*.damaged"))
    for said in (continued.first, continued.last.out):
        assert "damaged" not in said
        assert not any(f"trial {trial} " in said for trial in FINISHED)


@pytest.mark.long
def test_it_ends_with_the_trials_that_version_0_1_would_have_run(continued: Continued) -> None:
    trials = pd.read_csv(continued.study / "trials.csv", dtype={"config_id": str}).set_index("trial_id")
    assert trials["config_id"].to_dict() == FINISHED | FURTHER
    assert set(trials["status"]) == {"completed"}
    before = pd.read_csv(continued.old / "trials.csv").set_index("trial_id")
    assert trials.loc[list(FINISHED), "score"].to_dict() == before.loc[list(FINISHED), "score"].to_dict()
    assert "trial 0003-1 continues after its last whole epoch" in continued.first


@pytest.mark.long
def test_its_study_file_is_kept_and_names_the_version_that_drove_it_last(continued: Continued) -> None:
    assert (continued.study / "study.toml.format-1.bak").read_bytes() == (continued.old / "study.toml").read_bytes()
    assert "study.toml.format-1.bak" in continued.first
    before = tomllib.loads((continued.old / "study.toml").read_text())
    first = tomllib.loads(continued.taken_over.decode())
    assert (first["frozen"].pop("format"), first["frozen"].pop("project")) == (2, project_version())
    assert first["frozen"] == before["frozen"]
    assert tomllib.loads((continued.study / "study.toml").read_text())["frozen"]["project"] == LATER


@pytest.mark.long
def test_what_a_later_version_has_continued_is_refused_with_that_version(continued: Continued) -> None:
    before = listing(continued.study)
    for command in ("status", "report"):
        refused = deeplab_search(command, continued.study, cwd=continued.study)
        assert refused.status == 2, refused.all
        assert "[recipe] ema: unknown key" in refused.err
        assert f"git checkout v{LATER}" in refused.err
    assert listing(continued.study) == before


def test_it_is_read_as_it_is(old_study: Path, study: Path, tmp_path: Path) -> None:
    old = copy_of(old_study, tmp_path)
    before = listing(old)
    commands: list[list[str | Path]] = [
        ["status", old],
        ["compare", old, study],
        ["export", old, "--format", "keras", "--to", tmp_path / "models"],
        ["report", old],
    ]
    for command in commands:
        done = deeplab_search(*command, cwd=tmp_path)
        assert done.status == 0, done.all
    after = listing(old)
    assert after.pop("report.html")
    assert after == before
