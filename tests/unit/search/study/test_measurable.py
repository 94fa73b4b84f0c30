"""An objective that the validation masks cannot measure is known before a trial is."""

from __future__ import annotations

import re
from typing import Any

import pytest

from datasets.formats import open_dataset
from search.errors import UserError
from search.study.measurable import check_measurable


def scenes(**options: Any) -> Any:
    return open_dataset("synthetic", **{"image_size": (64, 64), "val_images": 4, **options})


def missing_classes(dataset: Any) -> list[str]:
    found = []
    for name in dataset.class_names:
        try:
            check_measurable(dataset, f"val_iou_{name}")
        except UserError:
            found.append(name)
    return found


def test_drawn_scenes_have_what_their_masks_show() -> None:
    dataset = scenes(image_size=(16, 16), val_images=1, seed=2)
    (mask,) = [dataset.read("val", index).mask for index in range(1)]
    absent = [name for number, name in enumerate(dataset.class_names) if not (mask == number).any()]
    assert absent
    assert missing_classes(dataset) == absent


@pytest.mark.parametrize("objective", ["val_loss", "val_mean_iou", "val_pixel_accuracy"])
def test_metrics_of_all_classes_need_any_label(objective: str) -> None:
    check_measurable(scenes(), objective)


def test_the_message_names_the_objective_the_class_and_what_to_do() -> None:
    dataset = scenes(image_size=(16, 16), val_images=1, seed=2)
    name = missing_classes(dataset)[0]
    said = f"'val_iou_{name}' cannot be measured: class '{name}' does not occur in the 1 validation mask at 16x16. Add"
    with pytest.raises(UserError, match=re.escape(said)):
        check_measurable(dataset, f"val_iou_{name}")
