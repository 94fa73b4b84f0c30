"""`data check` and `data show` on files, from the command line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.integration.program import Table, deeplab_search, deeplab_search_here, write_study


def test_the_check_says_what_is_lost_what_would_suit_and_where_to_look(tiny: Table, tmp_path: Path) -> None:
    study = write_study(tmp_path / "thin.toml", tiny, data={"thin": True, "scene_size": [160, 160]})
    done = deeplab_search("data", "check", study, cwd=tmp_path)
    assert done.status == 0, done.all
    assert "warning: wire of train, resized to 64x64: " in done.out
    assert "resize = \"crop\" suits these data (the study file has 'stretch'): wire is " in done.out
    assert "loss = \"crossentropy+dice\" suits these data (the study file has 'crossentropy'): " in done.out
    assert done.out.rstrip().endswith(f"look at them: deeplab-search data show {study} --to pictures")


def test_pages_show_every_split_and_every_augmentation(folder_study: Path, tmp_path: Path) -> None:
    options = ("--set", 'space.augment=["none", "strong"]')
    done = deeplab_search("data", "show", folder_study, "--to", "pictures", *options, cwd=tmp_path)
    assert done.status == 0, done.all
    pages = {path.name: np.asarray(Image.open(path)) for path in (tmp_path / "pictures").iterdir()}
    assert set(pages) == {"train.png", "val.png", "trained_none.png", "trained_strong.png"}
    assert all(f"pictures/{name}" in done.out for name in pages)
    # Four images without augmentation are the four that are stored, in another order; with it, they are not.
    shades = {name: np.sort(page.reshape(-1, 3).sum(axis=1)) for name, page in pages.items()}
    assert shades["trained_none.png"].shape == shades["trained_strong.png"].shape
    assert not np.array_equal(shades["trained_none.png"], shades["trained_strong.png"])


def test_show_refuses_a_folder_that_is_a_file(folder_study: Path, tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("")
    refused = deeplab_search_here("data", "show", folder_study, "--to", "taken", cwd=tmp_path)
    assert refused.status == 2, refused.all
    assert "taken cannot be written" in refused.err


@pytest.mark.parametrize("command", ["check", "show"])
def test_damaged_images_are_refused(folder_study: Path, folder_data: Path, tmp_path: Path, command: str) -> None:
    damaged = folder_data / "train" / "images" / "0.png"
    damaged.write_bytes(damaged.read_bytes()[:200])
    options = ("--to", "pictures") if command == "show" else ()
    refused = deeplab_search_here("data", command, folder_study, *options, cwd=tmp_path)
    assert refused.status == 2, refused.all
    assert "0.png" in refused.all
    assert "Traceback" not in refused.all
