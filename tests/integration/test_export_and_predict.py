from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
import warnings
from contextlib import chdir
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from datasets.colors import class_colors
from datasets.cores import usable_cores
from search.exporters import EXPORTERS
from tests.faults.trials import kept_for_export, trials_of
from tests.integration.program import Result, deeplab_search, deeplab_search_here, environment, listing, running

FORMATS = ("model.keras", "savedmodel", "model.onnx", "model.tflite", "model-float16.tflite", "model-int8.tflite")


@pytest.fixture(scope="session")
def exported(study: Path) -> tuple[Path, Result]:
    """The best trial in every format, and what the command said."""
    result = deeplab_search("export", "results/tiny", "--format", "all", cwd=study.parents[1])
    assert result.status == 0, result.all
    return study / "export", result


def test_every_format_was_compared_with_the_studys_model(exported: tuple[Path, Result]) -> None:
    folder, result = exported
    assert {path.name for path in folder.iterdir()} == {*FORMATS, "labels.toml", "README.md"}
    assert "compared with the study's network on 6 validation images" in result.out
    for name, allowed in zip(FORMATS, ("1e-05", "1e-05", "1e-04", "1e-03", "1e-02", "any"), strict=True):
        (row,) = re.findall(rf"^{name} .*$", result.out, re.MULTILINE)
        difference, given, score = row.split()[3:]
        assert given == allowed
        assert float(difference) <= (1 if allowed == "any" else float(allowed))
        assert 0 < float(score) < 1


def test_export_names_the_best_trial_and_labels_its_classes(exported: tuple[Path, Result], study: Path) -> None:
    rows = pd.read_csv(study / "trials.csv").set_index("trial_id")
    labels = tomllib.loads((exported[0] / "labels.toml").read_text())
    assert labels["trial_id"] == rows["score"].idxmax()
    assert labels["classes"] == ["ground", "crop", "roof", "road", "tree", "vehicle"]
    assert labels["colors"][1] == "#e69f00"
    assert labels["image_size"] == [64, 64]
    assert f"trial {rows['score'].idxmax()}  val_mean_iou {rows['score'].max():.4f}" in exported[1].out


def test_what_the_card_shows_runs_and_finds_what_predict_finds(
    exported: tuple[Path, Result], photos: Path, tmp_path: Path
) -> None:
    card = (exported[0] / "README.md").read_text()
    *loading, photo = re.findall(r"```python\n(.*?)```", card, re.DOTALL)
    assert len(loading) == len(FORMATS)
    folder = tmp_path / "elsewhere"
    shutil.copytree(exported[0], folder)
    shutil.copy(photos / "square.png", folder / "photo.jpg")
    done = deeplab_search_here("predict", exported[0] / "model.keras", photos / "square.png", "--to", "m", cwd=tmp_path)
    assert done.status == 0, done.all
    expected = np.asarray(Image.open(tmp_path / "m" / "square.png"))
    for name, source in zip(FORMATS, loading, strict=True):
        found: dict[str, Any] = {}
        with chdir(folder), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the runtimes' own
            exec(compile(source + photo, name, "exec"), found)
        assert (found["mask"] == expected).mean() > (0.9 if "int8" in name else 0.995), name


def test_the_card_has_the_scores_of_each_class_and_what_the_model_was_made_of(
    exported: tuple[Path, Result], study: Path
) -> None:
    card = (exported[0] / "README.md").read_text()
    best = pd.read_csv(study / "trials.csv").sort_values("score").iloc[-1]
    for name in ("ground", "crop", "vehicle"):
        (row,) = re.findall(rf"^\| {name} \| (.*) \|$", card, re.MULTILINE)
        iou, error, share, images = row.split(" | ")
        assert float(iou) == pytest.approx(best[f"metric:val_iou_{name}"], abs=1e-4)
        assert 0 < float(error.removeprefix("± ")) < 0.5
        assert share.endswith(" %")
        assert int(images) == 6
    assert "vehicle (0.93 % of the pixels, in 6 images)" in card, "rare"
    assert "ground (" not in card.partition("## Limits")[2], "not rare"
    for said in ("Apache-2.0", "licences", 'encoder = "MobileNetV2"', "tensorflow", "| 1 | crop | #e69f00 |"):
        assert said in card


def test_export_again_replaces_and_another_trial_goes_elsewhere(
    exported: tuple[Path, Result], study: Path, tmp_path: Path
) -> None:
    before = set(listing(exported[0]))
    arguments = ("export", study, "--format", "onnx")
    again = deeplab_search_here(*arguments, cwd=tmp_path)
    assert again.status == 0, again.all
    assert set(listing(exported[0])) == before, "the other formats are of the same trial"
    shutil.copytree(exported[0], tmp_path / "export")
    before = set(listing(tmp_path / "export"))
    best = tomllib.loads((exported[0] / "labels.toml").read_text())["trial_id"]
    second = min(kept_for_export(trials_of(study)) - {best, "baseline"})
    other = (*arguments, "--trial", second, "--to", tmp_path / "export")
    refused = deeplab_search_here(*other, cwd=tmp_path)
    assert refused.status == 2, refused.all
    assert "or replace what is there with --overwrite" in refused.err
    assert set(listing(tmp_path / "export")) == before
    replaced = deeplab_search_here(*other, "--overwrite", cwd=tmp_path)
    assert replaced.status == 0, replaced.all
    assert {path.name for path in (tmp_path / "export").iterdir()} == {"labels.toml", "README.md", "model.onnx"}
    assert tomllib.loads((tmp_path / "export" / "labels.toml").read_text())["trial_id"] == second


@pytest.mark.parametrize("name", ["README.md", "model.onnx"])
def test_files_of_others_are_replaced_only_on_request(study: Path, tmp_path: Path, name: str) -> None:
    (tmp_path / "to").mkdir()
    (tmp_path / "to" / name).write_text("years of work")
    refused = deeplab_search_here("export", study, "--format", "onnx", "--to", "to", cwd=tmp_path)
    assert refused.status == 2, refused.all
    assert f"to holds {name} not by us" in refused.err
    assert [path.read_text() for path in (tmp_path / "to").iterdir()] == ["years of work"]


def test_a_model_that_answers_something_else_is_removed(
    study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(EXPORTERS, "noisy", "tests.integration.failing_exporters:NoisyFile")
    monkeypatch.setitem(EXPORTERS, "unknown", "tests.integration.failing_exporters:UnknownLayer")
    done = deeplab_search_here("export", study, "--format", "unknown,onnx,noisy", "--to", "to", cwd=tmp_path)
    assert done.status == 1, done.all
    assert re.search(r"trial \S+ cannot be written as unknown: no such operation\. noisy", done.err)
    assert re.search(
        r"noisy\.keras of trial .* differs by \d\.\de-\d\d from the study's own network; at most 1e-05", done.err
    )
    assert "Traceback" not in done.err
    assert {path.name for path in (tmp_path / "to").iterdir()} == {"model.onnx", "labels.toml", "README.md"}
    assert "noisy.keras" not in (tmp_path / "to" / "README.md").read_text().partition("## Loading")[2]


@pytest.mark.long
@pytest.mark.parametrize("at", ["writing", "verifying"])
def test_a_killed_export_leaves_the_earlier_one_whole(
    exported: tuple[Path, Result], study_copy: Path, tmp_path: Path, at: str
) -> None:
    shutil.copytree(exported[0], study_copy / "export", dirs_exist_ok=True)
    before = listing(study_copy / "export")
    sign = "model.keras" if at == "writing" else "model.onnx"
    with running("export", study_copy, "--format", "keras,savedmodel,onnx", cwd=tmp_path) as command:
        command.until(lambda: list((study_copy / "export").glob(f".export.*.tmp/{sign}")))
    (left,) = (study_copy / "export").glob(".export.*.tmp")
    now = listing(study_copy / "export")
    assert {name: state for name, state in now.items() if not name.startswith(".export")} == before
    done = deeplab_search_here("export", study_copy, "--format", "onnx", cwd=tmp_path)
    assert done.status == 0, done.all
    assert not left.exists()


@pytest.fixture(scope="session")
def of_ids(study: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Result]:
    """The best trial as class ids of images of any size, measured, and what the command said."""
    folder = tmp_path_factory.mktemp("ids")
    options = ("--format", "onnx", "--output", "class_ids", "--size", "dynamic", "--benchmark")
    result = deeplab_search_here("export", study, *options, "--to", folder, cwd=folder)
    assert result.status == 0, result.all
    return folder, result


def test_speeds_are_measured_on_one_core_and_on_all(of_ids: tuple[Path, Result]) -> None:
    folder, result = of_ids
    assert "gives  class ids, [batch, height, width]" in result.out
    rows = [line.split() for line in result.out.splitlines() if line.startswith("model.onnx")][1:]
    assert [row[1] for row in rows] == [str(count) for count in sorted({1, usable_cores()})]
    for row in rows:
        median, p95, per_second = map(float, row[2:5])
        assert 0 < median <= p95
        assert per_second > 0
    assert "images/s" in (folder / "README.md").read_text()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--trial", "0099-0"], "has no trial '0099-0'; it has baseline, 0000-0"),
        (["--format", "tflite"], "given 'tflite'; allowed are keras, savedmodel"),
        (["--format", "keras,pb"], "given 'pb'; allowed are keras, savedmodel"),
        (["--output", "masks"], "given 'masks'; allowed are logits, probabilities, class_ids"),
        (["--size", "any"], "given 'any'; allowed are fixed, dynamic"),
        (["--size", "dynamic", "--format", "onnx,litert"], "litert cannot take images of any size, because LiteRT"),
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
    done = deeplab_search_here("export", study, "--pareto", "--format", "onnx", "--to", tmp_path, cwd=tmp_path)
    assert done.status == 0, done.all
    exported = sorted(path.parent.name for path in tmp_path.glob("*/model.onnx"))
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


def test_masks_are_palette_files_equal_from_the_study_and_from_every_export(
    exported: tuple[Path, Result], study: Path, photos: Path, tmp_path: Path
) -> None:
    masks = {}
    for name, model in (("study", study), *((name, exported[0] / name) for name in FORMATS)):
        done = deeplab_search_here("predict", model, "my photos", "--to", f"masks {name}", cwd=tmp_path)
        assert done.status == 0, done.all
        assert f"3 masks and overlays in masks {name}" in done.out
        masks[name] = {path.name: np.asarray(Image.open(path)) for path in (tmp_path / f"masks {name}").iterdir()}
    expected = {f"{stem}{kind}.png" for stem in ("square", "wide", "grey") for kind in ("", "_overlay")}
    assert set(masks["study"]) == expected
    for other, equal in (("model.keras", 1), ("savedmodel", 1), ("model.onnx", 0.999), ("model.tflite", 0.999)):
        for file in ("square.png", "wide.png", "grey.png"):
            assert (masks[other][file] == masks["study"][file]).mean() >= equal, (other, file)
    assert_mask_of_its_images_own_size(tmp_path / "masks model.keras")


def assert_mask_of_its_images_own_size(folder: Path) -> None:
    """A palette file of class ids, and an overlay in colour."""
    with Image.open(folder / "wide.png") as mask, Image.open(folder / "wide_overlay.png") as overlay:
        assert mask.mode == "P"
        assert mask.size == overlay.size == (131, 50)
        assert overlay.mode == "RGB"
        assert np.asarray(mask).max() < 6
        palette = mask.getpalette() or []
    assert palette[:18] == class_colors(6).ravel().tolist()


def test_masks_of_class_ids_differ_by_outlines_at_most(
    study: Path, of_ids: tuple[Path, Result], photos: Path, tmp_path: Path
) -> None:
    """Ids are brought to an image's own size as votes."""
    shutil.copy(of_ids[0] / "model.onnx", tmp_path)  # its labels are in it, too
    for name, model in (("expected", study), ("found", tmp_path / "model.onnx")):
        assert deeplab_search_here("predict", model, photos, "--to", name, cwd=tmp_path).status == 0
    for file, equal in (("square.png", 0.999), ("wide.png", 0.97)):
        expected, found = (np.asarray(Image.open(tmp_path / name / file)) for name in ("expected", "found"))
        assert (expected == found).mean() >= equal


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
    broken = ("broken.keras", "broken.onnx", "broken.tflite")
    for name in broken:
        (tmp_path / name).write_text("no model")
    for model in (*broken, "my photos"):
        refused = deeplab_search_here("predict", model, "my photos", "--to", "out", cwd=tmp_path)
        assert refused.status == 2, refused.all
        assert model in refused.err
        assert "Traceback" not in refused.err
        assert not (tmp_path / "out").exists()


def test_an_onnx_file_is_predicted_without_tensorflow(
    exported: tuple[Path, Result], photos: Path, tmp_path: Path
) -> None:
    program = (
        "import sys; from pathlib import Path; from search.commands.predict import predict_images; "
        "predict_images(Path(sys.argv[1]), [Path('my photos')], Path('out')); print('tensorflow' in sys.modules)"
    )
    command = [sys.executable, "-c", program, str(exported[0] / "model.onnx")]
    done = subprocess.run(command, cwd=tmp_path, env=environment(), capture_output=True, text=True, check=False)
    assert done.stdout.endswith("False\n"), done.stderr
    assert len(list((tmp_path / "out").iterdir())) == 6


def test_without_the_studys_data_models_are_verified_on_noise_and_int8_is_refused(
    study_copy: Path, tmp_path: Path
) -> None:
    """As if the study had been made from files that are now elsewhere."""
    for name in ("study.toml", "study.toml.bak"):
        text = (study_copy / name).read_text()
        text = re.sub(r'format = "synthetic"', 'format = "folder"\npath = "moved"', text)
        (study_copy / name).write_text(
            re.sub(r"(train|val|test)_images = .*\n|thin = .*\n|scene_size = .*\n", "", text)
        )
    done = deeplab_search_here("export", study_copy, "--format", "onnx", "--to", "to", cwd=tmp_path)
    assert done.status == 0, done.all
    assert "the study's data cannot be had here: [data] " in done.out
    assert "compared with the study's network on 20 images of seeded noise" in done.out
    assert "20 images of seeded noise" in (tmp_path / "to" / "README.md").read_text()
    refused = deeplab_search_here("export", study_copy, "--format", "litert-int8", "--to", "new", cwd=tmp_path)
    assert refused.status == 2, refused.all
    assert "is calibrated on the study's training images, which cannot be had here" in refused.err
    assert not (tmp_path / "new").exists()
