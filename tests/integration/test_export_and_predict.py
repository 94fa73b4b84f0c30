from __future__ import annotations

import os
import shutil
import subprocess
import sys
import textwrap
import tomllib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from datasets.colors import class_colors
from search.results.trained_network import load_model, trained_trial
from search.study.folder import Study
from tests.faults.trials import kept_for_export, trials_of
from tests.integration.program import Result, deeplab_search, deeplab_search_here, listing

# Runs with -I: nothing of the environment, the current folder or this project's is importable.
WITHOUT_THIS_PROJECT = textwrap.dedent(
    """
    import importlib.util, os, sys
    # The project is installed in place, through a finder that this process must not have.
    sys.meta_path = [finder for finder in sys.meta_path if "editable" not in repr(finder).lower()]
    sys.path = [path for path in sys.path if path != sys.argv[1]]
    for name in ("deeplab", "search", "space", "datasets", "recipe"):
        assert importlib.util.find_spec(name) is None, name
    import keras, numpy, tensorflow
    images = numpy.load(sys.argv[2])
    keras_model = keras.saving.load_model(sys.argv[3] + "/model.keras")
    saved_model = tensorflow.saved_model.load(sys.argv[3] + "/savedmodel").signatures["serving_default"]
    (name,) = saved_model.structured_input_signature[1]
    (output,) = saved_model(**{name: tensorflow.constant(images)}).values()
    numpy.savez(sys.argv[4], keras=keras_model(images), savedmodel=output)
    """
)
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def exported(study: Path) -> tuple[Path, Result]:
    """Both models of the best trial, and what the command said."""
    result = deeplab_search("export", "results/tiny", cwd=study.parents[1])
    assert result.status == 0, result.all
    return study / "export", result


@pytest.fixture
def images() -> np.ndarray:
    return np.random.default_rng(0).uniform(0, 255, (3, 64, 64, 3)).astype(np.float32)


def outputs_elsewhere(exported: Path, images: np.ndarray, folder: Path) -> dict[str, np.ndarray]:
    """What both exports answer in a process that knows nothing of this project."""
    np.save(folder / "images.npy", images)
    arguments = [str(ROOT), str(folder / "images.npy"), str(exported), str(folder / "outputs.npz")]
    command = [sys.executable, "-I", "-c", WITHOUT_THIS_PROJECT, *arguments]
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": "-1"}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return dict(np.load(folder / "outputs.npz"))


def test_exports_answer_as_the_studys_model_without_this_project(
    exported: tuple[Path, Result], study: Path, images: np.ndarray, tmp_path: Path
) -> None:
    own = Study(study)
    expected = np.asarray(load_model(own, trained_trial(own, None))(images, training=False))
    assert expected.shape == (3, 64, 64, 6)
    assert expected.sum(axis=-1) == pytest.approx(np.ones((3, 64, 64)), abs=1e-5)
    answers = outputs_elsewhere(exported[0], images, tmp_path)
    assert set(answers) == {"keras", "savedmodel"}
    for answer in answers.values():
        np.testing.assert_allclose(answer, expected, atol=1e-5)


def test_export_names_the_best_trial_and_labels_its_classes(exported: tuple[Path, Result], study: Path) -> None:
    rows = pd.read_csv(study / "trials.csv").set_index("trial_id")
    labels = tomllib.loads((exported[0] / "labels.toml").read_text())
    assert labels["trial_id"] == rows["score"].idxmax()
    assert labels["classes"] == ["ground", "crop", "roof", "road", "tree", "vehicle"]
    assert labels["image_size"] == [64, 64]
    assert f"trial {rows['score'].idxmax()}  val_mean_iou {rows['score'].max():.4f}" in exported[1].out


def test_export_again_replaces_and_another_trial_goes_elsewhere(
    exported: tuple[Path, Result], study: Path, tmp_path: Path
) -> None:
    before = set(listing(exported[0]))
    again = deeplab_search("export", study, cwd=tmp_path)
    assert again.status == 0, again.all
    assert set(listing(exported[0])) == before
    other = deeplab_search("export", study, "--trial", "baseline", "--format", "keras", "--to", "other", cwd=tmp_path)
    assert other.status == 0, other.all
    assert sorted(path.name for path in (tmp_path / "other").iterdir()) == ["labels.toml", "model.keras"]
    assert tomllib.loads((tmp_path / "other" / "labels.toml").read_text())["trial_id"] == "baseline"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--trial", "0099-0"], "has no trial '0099-0'; it has baseline, 0000-0"),
        (["--format", "tflite"], "given 'tflite'; allowed are keras, savedmodel"),
        (["--format", "keras,onnx"], "given 'onnx'; allowed are keras, savedmodel"),
    ],
)
def test_export_refuses(study: Path, tmp_path: Path, arguments: list[str], said: str) -> None:
    refused = deeplab_search_here("export", study, *arguments, "--to", tmp_path / "new", cwd=tmp_path)
    assert refused.status == 2, refused.all
    assert said in refused.err
    assert "Traceback" not in refused.err
    assert not (tmp_path / "new").exists()


def test_the_whole_front_is_exported_each_in_its_folder(study: Path, tmp_path: Path) -> None:
    trials = trials_of(study)
    done = deeplab_search_here("export", study, "--pareto", "--format", "keras", "--to", tmp_path, cwd=tmp_path)
    assert done.status == 0, done.all
    exported = sorted(path.parent.name for path in tmp_path.glob("*/model.keras"))
    assert str(trials["score"].idxmax()) in exported
    assert set(exported) <= kept_for_export(trials)
    front = trials.loc[exported].sort_values("macs")
    assert front["score"].is_monotonic_increasing
    assert front["macs"].iloc[0] == trials["macs"].min()
    assert all((tmp_path / name / "labels.toml").is_file() for name in exported)
    both = deeplab_search_here("export", study, "--pareto", "--trial", "baseline", cwd=tmp_path)
    assert both.status == 2
    assert "leave out --trial" in both.err


def test_export_of_a_trial_whose_checkpoint_is_gone(study: Path, tmp_path: Path) -> None:
    trials = trials_of(study)
    dropped = min(set(trials.index) - kept_for_export(trials))
    refused = deeplab_search_here("export", study, "--trial", dropped, "--to", tmp_path / "new", cwd=tmp_path)
    assert refused.status == 2, refused.all
    assert "keeps no checkpoint" in refused.err


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Three images in a folder: of the model's size, of another one, and in grey."""
    folder = tmp_path / "my photos"
    folder.mkdir()
    rng = np.random.default_rng(1)
    for name, shape in (("square.png", (64, 64, 3)), ("wide.jpg", (50, 131, 3)), ("grey.png", (40, 30))):
        Image.fromarray(rng.integers(0, 255, shape, np.uint8)).save(folder / name)
    return folder


def test_masks_are_palette_files_equal_from_the_study_and_from_both_exports(
    exported: tuple[Path, Result], study: Path, photos: Path, tmp_path: Path
) -> None:
    masks = {}
    for name, model in (("s", study), ("k", exported[0] / "model.keras"), ("t", exported[0] / "savedmodel")):
        done = deeplab_search("predict", model, "my photos", "--to", f"masks {name}", cwd=tmp_path)
        assert done.status == 0, done.all
        assert f"3 masks and overlays in masks {name}" in done.out
        masks[name] = {path.name: np.asarray(Image.open(path)) for path in (tmp_path / f"masks {name}").iterdir()}
    assert set(masks["s"]) == {f"{stem}{kind}.png" for stem in ("square", "wide", "grey") for kind in ("", "_overlay")}
    for other in ("k", "t"):
        for file, mask in masks["s"].items():
            np.testing.assert_array_equal(masks[other][file], mask)
    assert_mask_of_its_images_own_size(tmp_path / "masks k")


def assert_mask_of_its_images_own_size(folder: Path) -> None:
    """A palette file of class ids, and an overlay in colour."""
    with Image.open(folder / "wide.png") as mask, Image.open(folder / "wide_overlay.png") as overlay:
        assert mask.mode == "P"
        assert mask.size == overlay.size == (131, 50)
        assert overlay.mode == "RGB"
        assert np.asarray(mask).max() < 6
        palette = mask.getpalette() or []
    assert palette[:18] == class_colors(6).ravel().tolist()


@pytest.mark.parametrize(
    ("images", "said"),
    [
        (["gone.png"], "image gone.png does not exist"),
        (["empty"], "empty holds no images"),
        (["my photos", "copy"], "two images would be written to square.png"),
        (["half.png"], "half.png: image file is truncated"),
        (["tiny.txt"], "Cannot read image tiny.txt"),
    ],
)
def test_predict_refuses(
    exported: tuple[Path, Result], photos: Path, tmp_path: Path, images: list[str], said: str
) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "copy").mkdir()
    shutil.copy(photos / "square.png", tmp_path / "copy")
    square = (photos / "square.png").read_bytes()
    (tmp_path / "half.png").write_bytes(square[: len(square) // 2])
    (tmp_path / "tiny.txt").write_text("no image")
    before = listing(tmp_path)
    refused = deeplab_search_here("predict", exported[0] / "model.keras", *images, "--to", "out", cwd=tmp_path)
    assert refused.status == 2, refused.all
    assert said in refused.err
    assert "Traceback" not in refused.err
    assert listing(tmp_path) == before


def test_predict_never_writes_over_the_images(exported: tuple[Path, Result], photos: Path, tmp_path: Path) -> None:
    before = listing(photos)
    refused = deeplab_search_here("predict", exported[0] / "model.keras", photos, "--to", photos, cwd=tmp_path)
    assert refused.status == 2, refused.all
    assert "grey.png is one of the images and would be overwritten. Choose another --to." in refused.err
    assert listing(photos) == before


def test_predict_refuses_what_is_no_model(photos: Path, tmp_path: Path) -> None:
    (tmp_path / "broken.keras").write_text("no model")
    for model in ("broken.keras", "my photos"):
        refused = deeplab_search_here("predict", model, "my photos", "--to", "out", cwd=tmp_path)
        assert refused.status == 2, refused.all
        assert model in refused.err
        assert "Traceback" not in refused.err
        assert not (tmp_path / "out").exists()
