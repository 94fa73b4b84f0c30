"""Which `resize` and `loss` suit the data, and why: rules of thumb, from what their training split holds."""

from __future__ import annotations

import math
from typing import NamedTuple

from datasets.framing import Framing
from datasets.judgement import resize_factor
from datasets.statistics import ClassStatistics, SplitStatistics

# A class with a smaller share of the pixels is so rare that cross-entropy, a mean over pixels, neglects it.
_RARE_SHARE = 0.05
# Objects should stay so wide, in pixels of the network's input; its decoder sees every fourth.
WIDE_ENOUGH = 2.0
# Images of other shapes than the network's input are better padded.
_ASPECT_CHANGE = 1.25
# Larger images lose less than this by being resized.
_HARDLY_SMALLER = 0.8
# Images that lose more than this are better cropped, if their objects are smaller than this share of the input's side.
_MUCH_SMALLER = 0.6
_SMALL_OBJECT = 0.25


class Advice(NamedTuple):
    """A value for a key of the study file, and the reason for it."""

    value: str
    reason: str


def advise_resize(train: SplitStatistics, framing: Framing) -> Advice:
    """How to bring images to the network's input.

    Args:
        train: what the training split holds.
        framing: the study's; only its `image_size` matters.
    """
    stretched = Framing(framing.image_size)
    factor = resize_factor(train, stretched)
    size = "x".join(map(str, framing.image_size))
    thin = [label for label in _objects(train) if label.width is not None and label.width * factor < WIDE_ENOUGH]
    if thin and factor < _HARDLY_SMALLER:
        label = min(thin, key=lambda found: found.width or 0.0)
        width = label.width or 0.0
        return Advice(
            "crop", f"{label.name} is {width:.1f} pixels wide on average, and {width * factor:.1f} if resized to {size}"
        )
    smallest = min((label.object_size for label in _objects(train) if label.object_size), default=math.inf)
    if factor < _MUCH_SMALLER and smallest * factor < _SMALL_OBJECT * min(framing.image_size):
        return Advice(
            "crop",
            f"images would be resized to {factor:.2f} of their size, and crops gave better networks on all real data "
            "with small objects tried here (docs/results.md)",
        )
    (height, width), _ = train.sizes[0]
    ratio = (height / width) / (framing.image_size[0] / framing.image_size[1])
    if max(ratio, 1 / ratio) > _ASPECT_CHANGE:
        return Advice("pad", f"most images are {height}x{width}, another shape than {size}")
    return Advice("stretch", f"objects stay wide enough at {size}, and images have nearly its shape")


def advise_loss(train: SplitStatistics) -> Advice:
    """Which loss to train with."""
    present = [label for label in train.classes if label.pixels]
    rarest = min(present, key=lambda label: label.share, default=None)
    if rarest is None or rarest.share >= _RARE_SHARE:
        return Advice("crossentropy", f"every class has at least {_RARE_SHARE:.0%} of the pixels")
    return Advice("crossentropy+dice", f"{rarest.name} has only {rarest.share:.2%} of the pixels")


def _objects(train: SplitStatistics) -> list[ClassStatistics]:
    """All classes but the largest, which is what lies between the others."""
    return sorted((label for label in train.classes if label.pixels), key=lambda label: -label.share)[1:]
