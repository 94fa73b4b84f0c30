"""Training losses, by the names that a recipe gives them."""

from __future__ import annotations

from collections.abc import Sequence

from deeplab.losses.crossentropy import Focal, HardPixels, MaskedCrossentropy, WeightedCrossentropy, balanced_weights
from deeplab.losses.masked import MaskedLoss, labelled
from deeplab.losses.overlap import CrossentropyDice, Dice, Lovasz

LOSSES: dict[str, type[MaskedLoss]] = {
    "crossentropy": MaskedCrossentropy,
    "weighted_crossentropy": WeightedCrossentropy,
    "focal": Focal,
    "dice": Dice,
    "crossentropy+dice": CrossentropyDice,
    "lovasz": Lovasz,
    "ohem": HardPixels,
}

__all__ = [
    "LOSSES",
    "CrossentropyDice",
    "Dice",
    "Focal",
    "HardPixels",
    "Lovasz",
    "MaskedCrossentropy",
    "MaskedLoss",
    "WeightedCrossentropy",
    "balanced_weights",
    "labelled",
    "make_loss",
]


def make_loss(name: str, classes: int, ignore_index: int, class_pixels: Sequence[int] | None = None) -> MaskedLoss:
    """The loss of a name in `LOSSES`.

    Args:
        name: which one.
        classes: number of outputs of the network, 1 for binary segmentation.
        ignore_index: label of pixels to leave out.
        class_pixels: pixels of each class in the training split, for the loss that weights classes; None weights them
            equally.

    Raises:
        KeyError: there is no such loss.
    """
    loss = LOSSES[name]
    if issubclass(loss, WeightedCrossentropy):
        return loss(classes, ignore_index, class_pixels or [1] * max(2, classes))
    return loss(classes, ignore_index)
