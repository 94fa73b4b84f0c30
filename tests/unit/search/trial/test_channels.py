"""A trial on images of four channels."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from datasets import open_dataset
from deeplab import Architecture
from recipe import Recipe
from search.trial.training import Trainer


@pytest.mark.parametrize(
    ("augment", "resize"), [("standard", "crop"), pytest.param("strong", "stretch", marks=pytest.mark.grid)]
)
def test_trains_and_validates(tmp_path: Path, augment: str, resize: str) -> None:
    rng = np.random.default_rng(0)
    for split in ("train", "val"):
        for kind in ("images", "masks"):
            (tmp_path / split / kind).mkdir(parents=True)
        for number in range(3):
            mask = rng.integers(0, 2, (48, 48), np.uint8)
            image = rng.integers(0, 256, (48, 48, 4), np.uint8)
            image[..., 3] = mask * 200  # only the fourth channel tells
            Image.fromarray(image).save(tmp_path / split / "images" / f"{number}.png")
            Image.fromarray(mask).save(tmp_path / split / "masks" / f"{number}.png")
    (tmp_path / "classes.json").write_text(json.dumps({"classes": ["a", "b"]}))
    data = open_dataset("folder", path=tmp_path, image_size=(32, 32), resize=resize, channels=4)  # type: ignore[arg-type]
    trainer = Trainer(
        Architecture(encoder="MobileNetV2", aspp_filters=8, decoder_filters=8, aspp_rates=(1,)),
        Recipe(batch_size=2, augment=augment),  # type: ignore[arg-type]
        data,
        (32, 32),
        max_epochs=1,
        encoder_weights=None,
        seed=0,
    )
    result = trainer.train_epoch(1)
    assert np.isfinite(result.row["loss"])
    assert 0 <= result.row["val_mean_iou"] <= 1
    assert trainer.picture(result).pictures
