"""Studies side by side."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from benchmarks._history import History
from search.commands.compare import compare_studies
from search.errors import UserError
from search.study.folder import Study


@pytest.fixture
def studies(tmp_path: Path) -> list[Study]:
    one = History(tmp_path / "one", max_epochs=9).write(pictures=False)
    two = History(tmp_path / "two", max_epochs=9, seed=1, image_size=[64, 64]).write(1, running=1, pictures=False)
    return [one, two]


def test_the_table_the_csv_and_the_report(
    studies: list[Study], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "side by side"
    compare_studies([study.folder for study in studies], target)
    table = pd.read_csv(target / "comparison.csv").set_index("study")
    trials = pd.read_csv(studies[0].trials_csv)
    done = trials[trials["status"] == "completed"]
    assert list(table.index) == ["one", "two"]
    assert table["best"]["one"] == done["score"].max()
    assert table["gain"]["one"] == pytest.approx(done["score"].max() - done["score"].iloc[0])
    assert table["failed"]["one"] == len(trials) - len(done)
    assert table["image_size"].to_dict() == {"one": "96x128", "two": "64x64"}
    assert pd.isna(table["best"]["two"]), "nothing has completed there"
    assert (target / "comparison.html").stat().st_size < 5_000_000
    said = capsys.readouterr().out
    assert f"{done['score'].max():.4f}" in said
    assert str(target / "comparison.csv") in said


def test_without_a_target_nothing_is_written(studies: list[Study], tmp_path: Path) -> None:
    before = sorted(tmp_path.rglob("*"))
    compare_studies([study.folder for study in studies], None)
    assert sorted(tmp_path.rglob("*")) == before


def test_mistakes(studies: list[Study], tmp_path: Path) -> None:
    one = studies[0].folder
    with pytest.raises(UserError, match="expected two or more"):
        compare_studies([one], None)
    with pytest.raises(UserError, match="have one name"):
        compare_studies([one, one], None)
    with pytest.raises(UserError, match="holds no study"):
        compare_studies([one, tmp_path], None)
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="cannot be written"):
        compare_studies([study.folder for study in studies], tmp_path / "file")
