"""What would bias training, judged by what a split holds."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from datasets.framing import Framing
from datasets.statistics import ClassStatistics, Problem, SplitStatistics

# Limits for warnings only, so that a rough estimate is enough: nothing is refused because of them.
_FEW_IMAGES = {"train": 20, "val": 10}
_RARE_SHARE = 0.005
_DOMINANT_SHARE = 0.9
_MUCH_IGNORED = 0.5
_FAR_SMALLER = 0.5
_ASPECT_CHANGE = 1.5
# A few images of odd sizes among many do not bias training.
_ODD_SHARE = 0.05
# Share of a class's images, or of its pixels with whole objects, that may vanish; and how wide its areas should be.
_VANISHING_SHARE = 0.02
_THIN = 1.5
_SIDE = re.compile(r"(?<![^\W_])(left|right)(?![^\W_])", re.IGNORECASE)


def judge_split(split: SplitStatistics, framing: Framing) -> Iterator[Problem]:
    """Every warning about one split."""
    yield from judge_amount(split)
    yield from judge_classes(split)
    if split.split == "train":
        yield from judge_resizing(split, framing)
    if framing.resize != "crop":
        yield from judge_sizes(split, framing)


def judge_amount(split: SplitStatistics) -> Iterator[Problem]:
    """Too few images, or too few labelled pixels in them."""
    few = _FEW_IMAGES.get(split.split, 0)
    if split.images < few:
        why = {
            "train": "expect overfitting; label more, or augment strongly.",
            "val": "scores will depend on single images, and a search may choose by chance; move some images from "
            "train.",
        }
        count = f"{split.images} image{'s' if split.images > 1 else ''}"
        yield Problem("warning", f"{split.split} has only {count}: {why[split.split]}")
    if split.ignored_share > _MUCH_IGNORED:
        yield Problem(
            "warning",
            f"{split.ignored_share:.0%} of the pixels of {split.split} are ignored: little is learned from each image. "
            "Check that ignore_index is correct.",
        )


def judge_classes(split: SplitStatistics) -> Iterator[Problem]:
    """Classes that are missing, rare, or nearly everything."""
    missing = [label.name for label in split.classes if not label.pixels]
    if missing:
        effect = {"train": "it can't be learned", "val": "its score can't be measured"}.get(
            split.split, "its score can't be measured"
        )
        yield Problem("warning", f"{split.split} contains no pixels of {_listed(missing)}: {effect}.")
    rare = [label for label in split.classes if 0 < label.share < _RARE_SHARE]
    if rare and split.split == "train":
        shares = _listed([f"{label.name} ({label.share:.2%}, in {label.images} images)" for label in rare])
        yield Problem(
            "warning",
            f"Rare classes in train: {shares}. Pixel accuracy will hide them; compare by mean IoU, and train with a "
            'loss that counts classes, such as "crossentropy+dice" or "weighted_crossentropy".',
        )

    dominant = next((label for label in split.classes if label.share > _DOMINANT_SHARE), None)
    if dominant and split.split == "train":
        yield Problem(
            "warning",
            f"{dominant.share:.0%} of the pixels of train are {dominant.name}: a network that predicts nothing else "
            f"reaches that pixel accuracy. Compare by mean IoU.",
        )


def judge_sizes(split: SplitStatistics, framing: Framing) -> Iterator[Problem]:
    """Images that resizing enlarges or changes in shape."""
    height, width = image_size = framing.image_size
    small = [(size, count) for size, count in split.sizes if min(size[0] / height, size[1] / width) < _FAR_SMALLER]
    stretched = [(size, count) for size, count in split.sizes if _stretch(size, image_size) >= _ASPECT_CHANGE]
    if _count(small) > _ODD_SHARE * split.images:
        yield Problem(
            "warning",
            f"{_count(small)} of {split.images} images of {split.split} are less than half of image_size "
            f"{height}x{width} (such as {small[0][0][0]}x{small[0][0][1]}): they are enlarged, at the cost of a larger "
            "network input. Consider a smaller image_size.",
        )
    if framing.resize == "stretch" and _count(stretched) > _ODD_SHARE * split.images:
        yield Problem(
            "warning",
            f"{_count(stretched)} of {split.images} images of {split.split} are stretched {_ASPECT_CHANGE} times or "
            f"more by resizing to {height}x{width} (such as {stretched[0][0][0]}x{stretched[0][0][1]}, height x "
            "width). Consider an image_size with their aspect ratio.",
        )


def judge_resizing(split: SplitStatistics, framing: Framing) -> Iterator[Problem]:
    """What is lost when images are resized for training: whole classes, small objects, thin ones."""
    factor = resize_factor(split, framing)
    advice = 'Train on crops (resize = "crop"), or at a larger image_size.'
    if framing.resize == "crop":
        advice = "Train at a larger scale."
    for label in split.classes:
        losses = list(_losses(label, factor))
        if losses and factor < 1 and label.share < _DOMINANT_SHARE:
            height, width = framing.image_size
            how = f"scaled by {framing.scale:g}" if framing.resize == "crop" else f"resized to {height}x{width}"
            yield Problem("warning", f"{label.name} of {split.split}, {how}: {'; '.join(losses)}. {advice}")


def _losses(label: ClassStatistics, factor: float) -> Iterator[str]:
    gone, lost = label.images - label.kept_images, label.objects - label.kept_objects
    if gone > _VANISHING_SHARE * label.images:
        yield f"vanishes from {gone} of the {label.images} images that hold it"
    if label.lost_share > _VANISHING_SHARE:
        yield f"{lost} of {label.objects} objects vanish, with {label.lost_share:.0%} of its pixels"
    if label.width is not None and label.width * factor < _THIN:
        yield f"{label.width:.1f} pixels wide on average, {label.width * factor:.1f} then"


def resize_factor(split: SplitStatistics, framing: Framing) -> float:
    """How much smaller the images of a split become for training: the mean over both sides and all images."""
    total = 0.0
    for (height, width), count in split.sizes:
        trained = framing.content((height, width))
        total += count * (trained[0] / height * trained[1] / width) ** 0.5
    return total / split.images


def judge_names(class_names: Sequence[str], mirror: Sequence[tuple[int, int]]) -> Iterator[Problem]:
    """Classes that name a side: in a mirrored image, left is right."""
    paired = {index for pair in mirror for index in pair}
    sided = [name for index, name in enumerate(class_names) if _SIDE.search(name) and index not in paired]
    if sided:
        yield Problem(
            "warning",
            f"{_listed(sided)} name{'s' * (len(sided) == 1)} a side, and augmentation mirrors images: name the pairs "
            'that change places in classes.json ("mirror": [["left lung", "right lung"]]), or set augment = "none".',
        )


def _stretch(size: tuple[int, int], image_size: tuple[int, int]) -> float:
    ratio = (size[0] / size[1]) / (image_size[0] / image_size[1])
    return max(ratio, 1 / ratio)


def _count(sizes: list[tuple[tuple[int, int], int]]) -> int:
    return sum(count for _, count in sizes)


def _listed(names: list[str], most: int = 8) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
