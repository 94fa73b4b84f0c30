"""Training on crops and validating on whole images."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from datasets import Dataset, open_dataset
from datasets.inference import class_ids, predict_framed
from deeplab import Architecture
from deeplab.scoring import confusion_of_ids
from recipe import Recipe

tf = pytest.importorskip("tensorflow")

TINY = Architecture(
    encoder="MobileNetV2",
    output_stride=8,
    aspp_tap="block_3_project_BN",
    aspp_rates=(2,),
    aspp_filters=8,
    decoder_depth=0,
)
# Smaller than a crop, as large as one, larger, and of another shape.
SIZES = [(40, 60), (64, 64), (100, 130), (150, 40)]


@pytest.fixture
def mixed(tmp_path: Path) -> Path:
    """Scenes of different sizes."""
    for split in ("train", "val"):
        for place, size in enumerate(SIZES):
            scene = open_dataset("synthetic", image_size=size, train_images=4, seed=place).read("train", 0)
            for kind, pixels in (("images", scene.image), ("masks", scene.mask)):
                (tmp_path / split / kind).mkdir(parents=True, exist_ok=True)
                Image.fromarray(pixels).save(tmp_path / split / kind / f"{place}.png")
    return tmp_path


def open_mixed(path: Path, classes: int = 6) -> Dataset:
    return open_dataset("folder", path=path, image_size=(64, 64), resize="crop", classes=classes)


def test_validation_on_whole_images_counts_what_tiles_say(mixed: Path) -> None:
    from search.trial.training import Trainer

    dataset = open_mixed(mixed)
    recipe = Recipe(batch_size=2, augment="scale")
    trainer = Trainer(TINY, recipe, dataset, (64, 64), max_epochs=2, encoder_weights=None, seed=1)
    result = trainer.train_epoch(1)
    matrix, losses, pixels = np.zeros((6, 6), np.int64), 0.0, 0
    for index in range(len(SIZES)):
        image, mask, _ = dataset.read("val", index)
        found = predict_framed(
            lambda tiles: tf.nn.softmax(trainer.model(tiles, training=False)).numpy(), image, (64, 64), batch=3
        )
        assert np.array_equal(result.predictions[index], class_ids(found))
        matrix += confusion_of_ids(mask, class_ids(found), 6)
        losses -= np.log(np.clip(np.take_along_axis(found, mask[..., np.newaxis].astype(int), -1), 1e-7, 1)).sum()
        pixels += mask.size
    assert np.array_equal(result.validation.matrix, matrix)
    assert result.row["val_loss"] == pytest.approx(losses / pixels, rel=1e-4)
    assert trainer.picture(result).pictures


def test_a_binary_network_validates_on_whole_images(mixed: Path) -> None:
    from search.trial.training import Trainer

    for file in mixed.glob("*/masks/*.png"):
        Image.fromarray((np.asarray(Image.open(file)) > 2).astype(np.uint8)).save(file)
    dataset = open_mixed(mixed, classes=1)
    trainer = Trainer(TINY, Recipe(batch_size=2), dataset, (64, 64), max_epochs=2, encoder_weights=None, seed=1)
    result = trainer.train_epoch(1)
    assert result.validation.matrix.sum() == sum(height * width for height, width in SIZES)
    assert np.isfinite(result.row["val_loss"])


def test_training_on_crops_goes_on_as_if_it_had_not_stopped(mixed: Path, tmp_path: Path) -> None:
    from search.trial.training import Trainer

    def trainer() -> Trainer:
        recipe = Recipe(batch_size=2, augment="scale")
        return Trainer(TINY, recipe, open_mixed(mixed), (64, 64), max_epochs=2, encoder_weights=None, seed=1)

    first = trainer()
    first.train_epoch(1)
    first.model.save_weights(tmp_path / "a.weights.h5")
    expected = first.train_epoch(2)
    second = trainer()
    second.restore(tmp_path / "a.weights.h5")
    found = second.train_epoch(2)
    assert found.row["loss"] == pytest.approx(expected.row["loss"], rel=1e-5)
    assert np.array_equal(found.validation.matrix, expected.validation.matrix)
