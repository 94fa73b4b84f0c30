"""`train`: one configuration at any budget, in a folder that every other command reads."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pandas as pd
import pytest

from tests.integration.program import Table, deeplab_search, deeplab_search_here, listing, running, write_study


def trained(folder: Path) -> pd.DataFrame:
    return pd.read_csv(folder / "epochs.csv")


def test_training_at_the_searchs_budget_gives_the_trials_score_and_goes_on_after_a_kill(study_copy: Path) -> None:
    root, best = study_copy.parents[1], study_copy / "best.toml"
    command = ("train", "tiny.toml", "--architecture", best)
    folder = root / "results" / "tiny-train"
    with running(*command, cwd=root) as killed:
        killed.until(lambda: len(list(folder.glob("trial_*/epochs.csv"))) == 1)
        killed.kill()
    continued = deeplab_search(*command, cwd=root)
    assert continued.status == 0, continued.all

    before, after = (tomllib.loads((path / "best.toml").read_text()) for path in (study_copy, folder))
    assert after["result"]["trial_id"] == "0000-0"
    assert {**after["result"], "trial_id": ""} == {**before["result"], "trial_id": ""}
    assert after["architecture"] == before["architecture"]
    assert after["recipe"] == before["recipe"]
    assert list(trained(folder)["epoch"]) == [1, 2, 3]

    for arguments in (("status", folder), ("report", folder), ("export", folder, "--format", "keras")):
        read = deeplab_search_here(*arguments, cwd=root)
        assert read.status == 0, read.all
    unchanged = listing(folder)
    other = deeplab_search_here(*command, "--epochs", "4", cwd=root)
    assert other.status == 2
    assert "hyperband.max_epochs: the study has 3, the file says 4" in other.err
    assert listing(folder) == unchanged


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "other.toml does not exist"),
        ("[study]\nname = 'x'\n", "has no table [architecture]"),
        ("[architecture]\nencoder = 3\n", "[architecture] encoder: given 3"),
    ],
)
def test_another_file_is_refused(tmp_path: Path, tiny: Table, content: str | None, said: str) -> None:
    write_study(tmp_path / "tiny.toml", tiny)
    if content is not None:
        (tmp_path / "other.toml").write_text(content)
    before = listing(tmp_path)
    result = deeplab_search_here("train", "tiny.toml", "--architecture", "other.toml", cwd=tmp_path)
    assert result.status == 2, result.all
    assert said in result.err
    assert listing(tmp_path) == before


def test_no_epochs_are_refused(tmp_path: Path) -> None:
    result = deeplab_search_here("train", "a.toml", "--architecture", "b.toml", "--epochs", "0", cwd=tmp_path)
    assert result.status == 2
    assert "--epochs" in result.err
