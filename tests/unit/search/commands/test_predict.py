"""What `predict` checks before it loads a model."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from datasets import read_image
from datasets.colors import class_colors
from search.commands.image_paths import expand, find_images, others_in
from search.commands.predict import PredictOptions, check_outputs, predict_images
from search.errors import Incomplete, UserError

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
    said = "2 .gif files, 1 .heic file, 1 notes file (c.gif, d.GIF, e.heic, notes)"
    assert others_in([tmp_path, tmp_path / "c.gif"]) == said
    for name in ("a.png", "b.JPG"):
        (tmp_path / name).unlink()
    with pytest.raises(UserError, match=r"holds no images; expected .*; it holds 2 \.gif files, 1 \.heic file"):
        find_images([tmp_path])


def test_a_link_to_an_image_that_is_gone_is_an_image(tmp_path: Path) -> None:
    (tmp_path / "a.png").symlink_to("gone.png")
    assert list(find_images([tmp_path])) == [tmp_path / "a.png"]


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
        check_outputs({image: Path()}, output.parent)


def test_earlier_results_may_be_written_over(tmp_path: Path) -> None:
    (tmp_path / "masks").mkdir()
    for path in (tmp_path / "a.png", tmp_path / "masks" / "a.png", tmp_path / "masks" / "a_overlay.png"):
        path.touch()
    check_outputs({tmp_path / "a.png": Path()}, tmp_path / "masks")


def test_folders_in_folders_are_read_on_request_and_keep_their_names(tmp_path: Path) -> None:
    for name in ("a.png", "north/a.png", "north/deep/b.png", ".cache/c.png", "masks/old.png", "south/notes.txt"):
        path = tmp_path / "photos" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    photos = tmp_path / "photos"
    assert list(find_images([photos])) == [photos / "a.png"]
    found = find_images([photos], recursive=True, leave_out=photos / "masks")
    assert {str(path.relative_to(photos)): str(below) for path, below in found.items()} == {
        "a.png": ".",
        "north/a.png": "north",
        "north/deep/b.png": "north/deep",
    }
    check_outputs(found, photos / "masks")  # of one name, but in two folders
    assert others_in([photos], recursive=True) == "1 .txt file (notes.txt)"
    with pytest.raises(UserError, match="folders in it are read with --recursive"):
        find_images([photos / "south"])


def test_patterns_match_as_in_a_shell(tmp_path: Path) -> None:
    for name in ("a1.png", "a2.png", "b1.png", "below/a3.png", "a4.txt", "[x].png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    names = [path.name for path in expand([tmp_path / "a*.*", tmp_path / "a1.png", tmp_path / "**" / "a3*"])]
    assert names == ["a1.png", "a2.png", "a3.png"]
    assert expand([tmp_path / "[x].png"]) == [tmp_path / "[x].png"], "a file of that name is no pattern"
    with pytest.raises(UserError, match=r"no image matches .*c\*\.png"):
        expand([tmp_path / "c*.png"])


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of images of 16 x 16 to three classes."""
    import keras

    keras.utils.set_random_seed(0)
    path = tmp_path_factory.mktemp("model") / "model.keras"
    layers = [keras.Input((16, 16, 3)), keras.layers.Rescaling(1 / 255), keras.layers.Conv2D(3, 3, padding="same")]
    keras.Sequential([*layers, keras.layers.Softmax()]).save(path)
    return path


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Ten images of several sizes."""
    folder = tmp_path / "photos"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for number in range(10):
        pixels = rng.integers(0, 256, (12 + number, 30 - number, 3), np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.png")
    return folder


def masks(folder: Path) -> dict[str, np.ndarray]:
    return {path.name: np.asarray(Image.open(path)) for path in folder.glob("*.png")}


def test_each_image_is_read_once_and_masks_do_not_depend_on_the_batch(
    model: Path, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from search.commands import predict

    read: list[Path] = []

    def counted(path: Path, reading: Any) -> np.ndarray:
        read.append(path)
        return read_image(path, reading)

    monkeypatch.setattr(predict, "read_image", counted)
    found = []
    for batch in (1, 4, 64):
        predict_images(model, [photos], tmp_path / str(batch), PredictOptions(batch=batch))
        assert sorted(read) == sorted(photos.iterdir())
        read.clear()
        found.append(masks(tmp_path / str(batch)))
    assert len(found[0]) == 20
    for other in found[1:]:
        assert other.keys() == found[0].keys()
        for name, mask in found[0].items():
            np.testing.assert_array_equal(other[name], mask)


def test_damaged_images_are_named_at_the_end_and_the_others_predicted(
    model: Path, photos: Path, tmp_path: Path
) -> None:
    for name in ("3.png", "7.png"):
        (photos / name).write_bytes((photos / name).read_bytes()[:60])
    with pytest.raises(Incomplete, match=r"2 of 10 images left out:(.|\n)*3\.png(.|\n)*7\.png"):
        predict_images(model, [photos], tmp_path / "out")
    left = {f"{number}{kind}.png" for number in range(10) if number not in (3, 7) for kind in ("", "_overlay")}
    assert {path.name for path in (tmp_path / "out").iterdir()} == left
    with pytest.raises(UserError, match=r"3\.png"):
        predict_images(model, [photos / "3.png"], tmp_path / "nothing")
    assert not (tmp_path / "nothing").exists()


def test_probabilities_are_those_of_the_mask(model: Path, photos: Path, tmp_path: Path) -> None:
    predict_images(model, [photos], tmp_path / "out", PredictOptions(probabilities=True, flip=True, scales="1,1.5"))
    for number in range(10):
        with np.load(tmp_path / "out" / f"{number}.npz") as file:
            probabilities, classes = file["probabilities"], file["classes"]
        mask = np.asarray(Image.open(tmp_path / "out" / f"{number}.png"))
        assert classes.tolist() == ["0", "1", "2"]
        assert probabilities.shape == (*mask.shape, 3)
        np.testing.assert_allclose(probabilities.sum(axis=-1, dtype=np.float32), 1, atol=2e-3)
        assert (probabilities.argmax(axis=-1) == mask).mean() > 0.99


def test_views_are_averaged(model: Path, photos: Path, tmp_path: Path) -> None:
    """A mirrored image then has the mirrored mask."""
    image = Image.open(photos / "4.png").transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    image.save(photos / "mirrored.png")
    files = [photos / "4.png", photos / "mirrored.png"]
    for flip in (False, True):
        predict_images(model, files, tmp_path / str(flip), PredictOptions(flip=flip))
        one, other = (np.asarray(Image.open(tmp_path / str(flip) / path.name)) for path in files)
        assert (one == other[:, ::-1]).all() == flip


def test_a_legend_stands_below_the_overlay(model: Path, photos: Path, tmp_path: Path) -> None:
    for name, options in (("plain", PredictOptions()), ("named", PredictOptions(legend=True))):
        predict_images(model, [photos / "0.png"], tmp_path / name, options)
    plain, named = (np.asarray(Image.open(tmp_path / name / "0_overlay.png")) for name in ("plain", "named"))
    height, width = plain.shape[:2]
    np.testing.assert_array_equal(named[:height, :width], plain)
    shown = {tuple(color) for color in named[height:].reshape(-1, 3).tolist()}
    assert {tuple(color) for color in class_colors(3)[1:].tolist()} <= shown
