"""Names and paths as they occur: a home, other alphabets, bytes that are no text, terminals that cannot show them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.integration.program import Table, deeplab_search, deeplab_search_here, listing, running, write_study


def test_a_tilde_is_the_home_where_no_shell_has_replaced_it(tmp_path: Path, tiny: Table) -> None:
    home, here = tmp_path / "home", tmp_path / "here"
    (home / "results" / "tiny").mkdir(parents=True)
    (home / "results" / "tiny" / "thesis.txt").touch()
    here.mkdir()
    write_study(home / "tiny.toml", tiny)
    refused = deeplab_search("run", "~/tiny.toml", "--directory=~/results", cwd=here, HOME=str(home))
    assert refused.status == 2, refused.all
    assert f"{home}/results/tiny holds something other than a study (thesis.txt)" in refused.err
    for command in ("status", "doctor", "report", "export", "board"):
        refused = deeplab_search_here(command, "~/results/tiny", cwd=here, HOME=str(home))
        assert f"{home}/results/tiny holds no study" in refused.err, refused.all
    assert not listing(here)


# A locale of which Python believes that it has no letters but those of ASCII.
ASCII = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
ODD = os.fsdecode(b"\xff.png")


@pytest.fixture
def odd_data(folder_data: Path) -> Path:
    """`folder_data`, with one image and its mask under a name that is not UTF-8."""
    for kind in ("images", "masks"):
        (folder_data / "train" / kind / "0.png").rename(folder_data / "train" / kind / ODD)
    return folder_data


@pytest.mark.parametrize("environment", [{}, {"PYTHONIOENCODING": "ascii"}, ASCII], ids=["utf-8", "terminal", "locale"])
def test_a_file_whose_name_is_no_text_can_be_named(
    tmp_path: Path, folder_study: Path, odd_data: Path, environment: dict[str, str]
) -> None:
    (odd_data / "train" / "masks" / ODD).unlink()
    checked = deeplab_search("data", "check", folder_study, cwd=tmp_path, **environment)
    assert checked.status == 2, checked.all
    assert "Traceback" not in checked.all
    assert r"\udcff.png has no mask" in checked.out, checked.all
    refused = deeplab_search("predict", "model.keras", ODD, "--to", "out", cwd=tmp_path, **environment)
    assert r"image \udcff.png does not exist" in refused.err, refused.all


@pytest.mark.long
@pytest.mark.parametrize("locale", [{}, ASCII], ids=["utf-8", "ascii"])
def test_a_search_on_names_of_any_kind(
    tmp_path: Path, odd_data: Path, folder_study: Path, locale: dict[str, str]
) -> None:
    """Classes, paths and files that are not ASCII, one of them no text at all, from the data to the prediction."""
    here = tmp_path / "Größe"
    odd_data.rename(here)
    (here / "classes.json").write_text('{"classes": ["背景", "Bäume"]}', encoding="utf-8")
    study = tmp_path / "étude.toml"
    study.write_text(
        folder_study.read_text().replace(str(odd_data), str(here)).replace("classes = 1\n", ""), encoding="utf-8"
    )
    arguments = ("run", study, "--directory", "résultats", "--set", "hyperband.iterations=1")
    done = deeplab_search(*arguments, cwd=tmp_path, **locale)
    assert done.status == 0, done.all
    found = tmp_path / "résultats" / "own"
    assert "val_iou_Bäume" in (found / "epochs.csv").read_text(encoding="utf-8")
    assert 'class_names = [\n    "背景",\n    "Bäume",\n]' in (found / "study.toml").read_text(encoding="utf-8")
    image = here / "train" / "images" / ODD
    predicted = deeplab_search("predict", found, image, "--to", "görüntü", cwd=tmp_path, **locale)
    assert predicted.status == 0, predicted.all
    assert (tmp_path / "görüntü" / ODD).exists()


@pytest.mark.long
def test_a_search_ends_with_the_reason_when_a_file_whose_name_is_no_text_is_damaged(
    tmp_path: Path, odd_data: Path, folder_study: Path
) -> None:
    mask = odd_data / "train" / "masks" / ODD
    with running("run", folder_study, "--set", "data.cache=false", cwd=tmp_path) as search:
        search.until(lambda: list((tmp_path / "results" / "own").glob("trial_*/log.txt")))
        mask.write_bytes(b"no mask")
        assert search.wait() == 1, search.output
        assert r"\udcff.png" in search.output
        assert "Traceback" not in search.output


def test_a_study_of_a_path_that_is_no_text_is_refused(tmp_path: Path, tiny: Table) -> None:
    file = write_study(tmp_path / "tiny.toml", tiny)
    refused = deeplab_search("run", file, "--directory", os.fsdecode(b"\xff"), cwd=tmp_path)
    assert refused.status == 2, refused.all
    assert r"[study] directory: given '\udcff'; expected a path in UTF-8" in refused.err
