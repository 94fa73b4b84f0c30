"""What `predict` checks before it loads a model."""

from __future__ import annotations

import io
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from rich.console import Console

from datasets import ImageReading
from search.commands.predict import check_images, check_outputs, find_images, others_in
from search.errors import UserError

MANY = 10_000


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("many")
    for number in range(MANY):
        (folder / f"{number:05d}.png").touch()
    return folder


@pytest.mark.timeout(30)  # comparing all names with each other takes minutes
def test_ten_thousand_images_are_checked_at_once(many: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    resolved: list[Path] = []

    def resolve(path: Path) -> Path:
        resolved.append(path)
        return path.absolute()

    monkeypatch.setattr(Path, "resolve", resolve)
    files = find_images([many])
    check_outputs(files, tmp_path / "masks")
    assert len(files) == MANY
    assert not resolved


@pytest.mark.timeout(30)
def test_two_of_ten_thousand_with_one_name_are_found(many: Path, tmp_path: Path) -> None:
    (tmp_path / "07000.jpg").touch()
    with pytest.raises(UserError, match=r"^two images would be written to 07000\.png\. Predict them one by one\.$"):
        check_outputs(find_images([many, tmp_path / "07000.jpg"]), tmp_path / "masks")


def test_an_overlay_must_not_take_the_name_of_a_mask(tmp_path: Path) -> None:
    for name in ("a.png", "a_overlay.png"):
        (tmp_path / name).touch()
    with pytest.raises(UserError, match=r"two images would be written to a_overlay\.png"):
        check_outputs(find_images([tmp_path]), tmp_path / "masks")


def test_what_a_folder_holds_beside_images_is_counted_and_hidden_files_are_not_there(tmp_path: Path) -> None:
    for name in ("a.png", "b.JPG", "._a.png", ".DS_Store", "c.gif", "d.GIF", "e.heic", "notes", "._c.gif"):
        (tmp_path / name).touch()
    (tmp_path / "below.png").mkdir()
    assert [path.name for path in find_images([tmp_path])] == ["a.png", "b.JPG"]
    assert others_in([tmp_path, tmp_path / "c.gif"]) == "2 .gif files, 1 .heic file, 1 notes file"
    for name in ("a.png", "b.JPG"):
        (tmp_path / name).unlink()
    with pytest.raises(UserError, match=r"holds no images; expected .*; it holds 2 \.gif files, 1 \.heic file"):
        find_images([tmp_path])


def test_a_link_to_an_image_that_is_gone_is_an_image(tmp_path: Path) -> None:
    (tmp_path / "a.png").symlink_to("gone.png")
    assert find_images([tmp_path]) == [tmp_path / "a.png"]


@pytest.mark.parametrize("link", ["itself", "symlink", "hard link"])
def test_an_image_is_never_written_over_whatever_its_path(tmp_path: Path, link: str) -> None:
    image, target = tmp_path / "images" / "a.png", tmp_path / "masks"
    for folder in (image.parent, target):
        folder.mkdir()
    image.touch()
    output = target / "a.png"
    if link == "symlink":
        output.symlink_to(image)
    elif link == "hard link":
        output.hardlink_to(image)
    else:
        output = image
    said = f"--to: {output.resolve()} is one of the images and would be overwritten. Choose another --to."
    with pytest.raises(UserError, match=re.escape(said)):
        check_outputs([image], output.parent)


def test_earlier_results_may_be_written_over(tmp_path: Path) -> None:
    (tmp_path / "masks").mkdir()
    for path in (tmp_path / "a.png", tmp_path / "masks" / "a.png", tmp_path / "masks" / "a_overlay.png"):
        path.touch()
    check_outputs([tmp_path / "a.png"], tmp_path / "masks")


def test_the_first_damaged_image_is_named_and_progress_shows_at_once(tmp_path: Path) -> None:
    files = [tmp_path / f"{number:03d}.png" for number in range(100)]
    for path in files:
        Image.fromarray(np.zeros((4, 4, 3), np.uint8)).save(path)
    terminal = io.StringIO()
    check_images(files, ImageReading(), Console(file=terminal, force_terminal=True, width=80))
    assert "reading" in terminal.getvalue()
    assert "100/100" in terminal.getvalue()
    files[70].write_bytes(files[70].read_bytes()[:30])
    with pytest.raises(UserError, match=r"070\.png"):
        check_images(files, ImageReading(), Console(quiet=True))
