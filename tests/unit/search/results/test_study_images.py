"""The images by which exported models are verified and calibrated."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from PIL import Image

from search.results.study_images import StudyData
from search.results.trained_network import TrainedTrial
from search.study.reading import parse_config


class Trial:
    """What is asked of a trial: its configuration."""

    def __init__(self, **data: Any) -> None:
        size = {"image_size": [32, 48], **data}
        table = {"study": {"name": "a"}, "data": size, "hyperband": {"max_epochs": 3}}
        self.config = parse_config(table, "test")


def data_of(**data: Any) -> StudyData:
    return StudyData(cast(TrainedTrial, Trial(**data)))


def synthetic(**data: Any) -> StudyData:
    return data_of(format="synthetic", train_images=30, val_images=25, test_images=1, **data)


def test_at_most_as_many_as_asked_for_evenly_spread() -> None:
    found, everything = synthetic().to_verify(20), synthetic().to_verify(200)
    assert found.source == "20 of 25 validation images"
    assert everything.source == "25 validation images"
    assert found.images.shape == (20, 32, 48, 3)
    assert found.masks is not None
    assert found.masks.shape == (20, 32, 48)
    for place, index in ((0, 0), (-1, -1)):
        np.testing.assert_array_equal(found.images[place], everything.images[index])
    calibration = list(synthetic().to_calibrate())
    assert len(calibration) == 30
    assert not any((image == calibration[0]).all() for image in everything.images), "of another split"


@pytest.mark.parametrize("side", [20, 70])
def test_images_that_are_seen_in_parts_are_cut_to_their_middle(tmp_path: Path, side: int) -> None:
    for split in ("train", "val"):
        for kind in ("images", "masks"):
            (tmp_path / split / kind).mkdir(parents=True)
            pixels = np.zeros((side, side, 3) if kind == "images" else (side, side), np.uint8)
            pixels[side // 2 - 2 : side // 2 + 2, side // 2 - 2 : side // 2 + 2] = 1
            Image.fromarray(pixels).save(tmp_path / split / kind / "a.png")
    found = data_of(format="folder", path=str(tmp_path), classes=1, resize="crop").to_verify(20)
    assert found.images.shape == (1, 32, 48, 3)
    assert found.masks is not None
    assert (found.masks == 1).sum() == 16, "the square in the middle"
    assert ((found.images[..., 0] == 1) == (found.masks == 1)).all()
    outside = 32 * 48 - min(side, 32) * min(side, 48)
    assert (found.masks == 255).sum() == outside


def test_data_that_are_gone_are_replaced_by_noise_that_is_always_the_same(tmp_path: Path) -> None:
    moved = data_of(format="folder", path=str(tmp_path / "moved"), classes=1)
    found = moved.to_verify(200)
    assert "moved" in moved.why_not
    assert found.source == "20 images of seeded noise"
    assert found.masks is None
    np.testing.assert_array_equal(found.images, moved.to_verify(20).images)
    assert list(moved.to_calibrate()) == []
    assert moved.mirror is None
