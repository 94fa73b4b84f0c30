"""Whether the validation data can measure a study's objective."""

from __future__ import annotations

from datasets import DataError, Dataset, occurs
from search.errors import UserError
from search.study.columns import metric_names

# What the objective of one class begins with.
OF_CLASS = "val_iou_"


def check_measurable(dataset: Dataset, objective: str) -> None:
    """Look for what the objective measures in the validation masks.

    Args:
        dataset: the study's.
        objective: one of the metrics of `epochs.csv`, of validation.

    Raises:
        UserError: nothing of it is there, so that no trial could have a score; or a mask cannot be read.
    """
    names = dataset.class_names
    if objective in metric_names(()):
        measured, missing = range(len(names)), "every pixel is ignored"
        advice = "Check that ignore_index is right, or label validation images"
    else:
        name = objective.removeprefix(OF_CLASS)
        measured, missing = range(names.index(name), names.index(name) + 1), f"class {name!r} does not occur"
        advice = "Add validation images that contain it, or choose another objective, such as 'val_mean_iou'"
    try:
        is_there = occurs(dataset, "val", measured)
    except DataError as error:
        raise UserError(f"[data] {error}") from None
    if not is_there:
        height, width = dataset.image_size
        trained = f" at {height}x{width}" if dataset.framing.is_whole else ""
        masks = "mask" if dataset.length("val") == 1 else "masks"
        raise UserError(
            f"[study] objective: {objective!r} cannot be measured: {missing} in the {dataset.length('val')} validation "
            f"{masks}{trained}. {advice}."
        )
