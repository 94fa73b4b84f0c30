"""`evaluate`: the scores of a model on a split, at the images' own size."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from tests.integration.program import Table, deeplab_search, deeplab_search_here, listing, write_study

CLASSES = ["ground", "crop", "roof", "road", "tree", "vehicle"]


@pytest.fixture(scope="session")
def exported(study: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Both models of the best trial."""
    folder = tmp_path_factory.mktemp("exported")
    done = deeplab_search("export", study, "--to", folder, cwd=folder)
    assert done.status == 0, done.all
    return folder


def scores_of(model: Path, study_file: Path, folder: Path, *options: str) -> dict[str, object]:
    done = deeplab_search_here("evaluate", model, study_file, *options, "--to", folder, cwd=study_file.parent)
    assert done.status == 0, done.all
    scores: dict[str, object] = json.loads((folder / "scores.json").read_text())
    return scores


def test_scores_are_those_of_the_search_where_nothing_is_resized(study: Path, tmp_path: Path) -> None:
    best = pd.read_csv(study / "trials.csv").sort_values("score").iloc[-1]
    scores = scores_of(study, study.parents[1] / "tiny.toml", tmp_path, "--split", "val")
    assert scores["images"] == 6
    assert scores["mean_iou"] == pytest.approx(best["score"], abs=2e-3)
    assert scores["pixel_accuracy"] == pytest.approx(best["metric:val_pixel_accuracy"], abs=2e-3)
    for name in CLASSES:
        assert scores["classes"][name]["iou"] == pytest.approx(best[f"metric:val_iou_{name}"], abs=5e-3)  # type: ignore[index]


def test_every_form_of_a_model_has_the_same_scores(study: Path, exported: Path, tmp_path: Path) -> None:
    found = [
        scores_of(
            model, study.parents[1] / "tiny.toml", tmp_path / name, "--split", "val", "--flip", "--scales", "1,1.5"
        )
        for name, model in (("s", study), ("k", exported / "model.keras"), ("t", exported / "savedmodel"))
    ]
    for other in found[1:]:
        assert {**other, "model": ""} == {**found[0], "model": ""}
    assert found[0]["scales"] == [1, 1.5]


def test_the_files_agree_with_each_other(study: Path, tmp_path: Path) -> None:
    done = deeplab_search(
        "evaluate", study, study.parents[1] / "tiny.toml", "--split", "val", "--to", tmp_path / "out", cwd=tmp_path
    )
    assert done.status == 0, done.all
    out = tmp_path / "out"
    scores = json.loads((out / "scores.json").read_text())
    confusion = pd.read_csv(out / "confusion.csv", index_col="true")
    assert list(confusion.columns) == list(confusion.index) == CLASSES
    matrix = confusion.to_numpy()
    assert matrix.sum() == 6 * 64 * 64
    iou = np.diagonal(matrix) / (matrix.sum(axis=0) + matrix.sum(axis=1) - np.diagonal(matrix))
    assert [scores["classes"][name]["iou"] for name in CLASSES] == pytest.approx(iou.tolist())
    assert scores["mean_iou"] == pytest.approx(iou.mean())
    images = pd.read_csv(out / "images.csv")
    assert sorted(images["name"]) == [f"val_{index:05d}" for index in range(6)]
    assert images["mean_iou"].is_monotonic_increasing
    assert sorted(path.name for path in out.glob("worst_*.jpg")) == [f"worst_{rank:02d}.jpg" for rank in range(1, 7)]
    with Image.open(out / "worst_01.jpg") as picture:
        assert picture.width > 4 * 600
    for said in (f"{scores['mean_iou']:.4f}", images["name"][0], "true \\ predicted", "stretched to 64x64"):
        assert said in done.out
    assert done.err == ""


def test_binary_data_get_the_best_threshold_of_the_validation_split(folder_study: Path, tmp_path: Path) -> None:
    for split in ("train", "val"):
        assert deeplab_search("run", folder_study, cwd=tmp_path).status == 0 if split == "train" else True
        scores = scores_of(tmp_path / "results" / "own", folder_study, tmp_path / split, "--split", split)
        threshold = scores["threshold"]
        assert isinstance(threshold, dict)
        assert 0 < threshold["best_on_val"] < 1
        assert threshold["mean_iou_at_half"] == pytest.approx(scores["mean_iou"])
        if split == "val":
            assert threshold["mean_iou_at_best"] >= threshold["mean_iou_at_half"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--split", "holdout"], "have no images in 'holdout'; there are train, val, test"),
        (["--scales", "1,big"], "given '1,big'; expected factors from 0.1 to 10"),
        (["--scales", "0"], "given '0'; expected factors"),
    ],
)
def test_refuses_options(study: Path, tmp_path: Path, options: list[str], said: str) -> None:
    refused = deeplab_search_here(
        "evaluate", study, study.parents[1] / "tiny.toml", *options, "--to", tmp_path / "out", cwd=tmp_path
    )
    assert refused.status == 2, refused.all
    assert said in refused.err
    assert not (tmp_path / "out").exists()


def test_refuses_data_of_other_classes(study: Path, tiny: Table, tmp_path: Path) -> None:
    binary = write_study(tmp_path / "binary.toml", tiny, data={"classes": 1})
    refused = deeplab_search_here("evaluate", study, binary, "--to", tmp_path / "out", cwd=tmp_path)
    assert refused.status == 2, refused.all
    assert "do not fit together: the model has 6 outputs (ground, crop, " in refused.err
    assert "the data need 1 (nature, built)" in refused.err
    assert not (tmp_path / "out").exists()


def test_refuses_labels_of_another_model(study: Path, exported: Path, tmp_path: Path) -> None:
    moved = tmp_path / "moved"
    moved.mkdir()
    (moved / "model.keras").write_bytes((exported / "model.keras").read_bytes())
    (moved / "labels.toml").write_text((exported / "labels.toml").read_text().replace("64", "96"))
    before = listing(moved)
    refused = deeplab_search_here("evaluate", moved / "model.keras", study.parents[1] / "tiny.toml", cwd=tmp_path)
    assert refused.status == 2, refused.all
    assert "the labels.toml beside it describes a model of image_size [96, 96]" in refused.err
    assert listing(moved) == before
