"""`init`: from data as people have them to a study file that `run` takes as it is."""

from __future__ import annotations

import json
import re
import shutil
import tomllib
from pathlib import Path

import pytest

from search.study.reading import load_config
from tests.integration.program import deeplab_search_here, listing


def init(data: Path | str, folder: Path, *options: str) -> dict[str, object]:
    """The study file that `init` writes, as TOML."""
    done = deeplab_search_here("init", data, "--weights", "none", "--to", "new.toml", *options, cwd=folder)
    assert done.status == 0, done.all
    assert "deeplab-search run new.toml" in done.out
    return tomllib.loads((folder / "new.toml").read_text())


def test_binary_masks_without_classes_json(folder_data: Path, tmp_path: Path) -> None:
    before = listing(folder_data)
    found = init(folder_data, tmp_path, "--hours", "1")
    text = (tmp_path / "new.toml").read_text()
    assert found["data"] == {
        "format": "folder",
        "path": str(folder_data),
        "classes": 1,
        "image_size": [64, 64],
        "resize": "stretch",
    }
    assert "there is no classes.json" in text
    assert re.search(r"max_epochs = \d+  # fits 1 hours: about \d+ min", text)
    config = load_config(tmp_path / "new.toml")
    assert config.study.name == "new"
    assert config.recipe.batch_size == 2
    assert listing(folder_data) == before


def test_data_without_splits_get_some(folder_data: Path, tmp_path: Path) -> None:
    unsplit = tmp_path / "unsplit"
    for kind in ("images", "masks"):
        (unsplit / kind).mkdir(parents=True)
        for number, path in enumerate(sorted(folder_data.glob(f"*/{kind}/*.png"))):
            shutil.copy(path, unsplit / kind / f"{number}.png")
    (unsplit / "classes.json").write_text(json.dumps({"classes": ["ground", "square"]}))
    found = init(unsplit, tmp_path)
    assert found["data"]["split"] == {"val": 0.2, "test": 0.1}  # type: ignore[index]
    assert "classes" not in found["data"]  # type: ignore[operator]


@pytest.mark.long
def test_drawn_scenes_and_a_time_in_which_nothing_can_be_searched(tmp_path: Path) -> None:
    refused = deeplab_search_here("init", "synthetic", "--hours", "0.01", "--to", "new.toml", cwd=tmp_path)
    assert refused.status == 2, refused.all
    assert "--hours: 0.01 are too few: the smallest search takes about" in refused.err
    assert not (tmp_path / "new.toml").exists()


@pytest.mark.parametrize(
    ("data", "said"),
    [("nowhere", "nowhere does not exist"), ("empty", "empty has no layout that is read")],
)
def test_what_is_no_data_is_refused(tmp_path: Path, data: str, said: str) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "classes.json").write_text(json.dumps({"classes": ["a", "b"]}))
    refused = deeplab_search_here("init", data, "--to", "new.toml", cwd=tmp_path)
    assert refused.status == 2, refused.all
    assert said in refused.err
    assert not (tmp_path / "new.toml").exists()


def test_nothing_is_overwritten(folder_data: Path, tmp_path: Path) -> None:
    (tmp_path / "new.toml").write_text("mine")
    refused = deeplab_search_here("init", folder_data, "--to", "new.toml", cwd=tmp_path)
    assert refused.status == 2, refused.all
    assert "new.toml exists" in refused.err
    assert (tmp_path / "new.toml").read_text() == "mine"


def test_formats_are_recognized_by_their_own_signs(tmp_path: Path) -> None:
    from datasets import DataError, recognize_format

    signs = {
        "voc": "JPEGImages/",
        "cityscapes": "leftImg8bit/",
        "camvid": "701_StillsRaw_full/",
        "coco": "annotations/instances_train2017.json",
        "folder": "train/images/",
    }
    for name, sign in signs.items():
        place = tmp_path / name / sign
        (place if sign.endswith("/") else place.parent).mkdir(parents=True)
        if not sign.endswith("/"):
            place.write_text("{}")
        assert recognize_format(tmp_path / name) == name
    (tmp_path / "list.csv").write_text("image,mask\n")
    assert recognize_format(tmp_path / "list.csv") == "csv"
    (tmp_path / "voc" / "leftImg8bit").mkdir()
    with pytest.raises(DataError, match="may be of the formats voc, cityscapes"):
        recognize_format(tmp_path / "voc")
