"""A study file that fits given data, a given machine and a given time: each choice with its reason.

As nnU-Net plans its trainings from a fingerprint of the data (Isensee et al. 2021, "nnU-Net: a self-configuring method
for deep learning-based biomedical image segmentation"); what was measured here decides in place of its rules.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from datasets import Framing, SplitStatistics
from datasets.advice import WIDE_ENOUGH, Advice, advise_loss, advise_resize
from search.study.config import ConfirmSection, HyperbandSection
from search.system.toml import toml_value
from search.system.wording import duration, plural

# Pixels of the network's input that a machine trains at a bearable speed, and what its sides must be multiples of.
PIXELS = {"cpu": 192 * 256, "gpu": 512 * 512}
MULTIPLE, SMALLEST = 32, 64


class Machine(NamedTuple):
    """What trials run on."""

    gpus: int
    cores: int

    @property
    def kind(self) -> str:
        """The row of `PIXELS`."""
        return "gpu" if self.gpus else "cpu"

    def __str__(self) -> str:
        return plural(self.gpus, "GPU") if self.gpus else plural(self.cores, "CPU core")


class Choice(NamedTuple):
    """A value of the study file, and the reason for it; "" where there is nothing to say."""

    value: Any
    reason: str = ""


Section = dict[str, Choice]


def propose_size(train: SplitStatistics, machine: Machine) -> tuple[tuple[int, int], str]:
    """The network's input, and the reason: the images' own size, shrunk to what the machine can train."""
    (height, width), _ = train.sizes[0]
    factor = min(1.0, math.sqrt(PIXELS[machine.kind] / (height * width)))
    size = _side(height * factor), _side(width * factor)
    if factor == 1:
        return size, f"most images are {height}x{width}; sides are multiples of {MULTIPLE}"
    return size, f"the shape of most images, {height}x{width}, at a size to train on {machine}"


def _side(length: float) -> int:
    return max(SMALLEST, round(length / MULTIPLE) * MULTIPLE)


def propose_data(train: SplitStatistics, size: Choice) -> Section:
    """`image_size`, `resize` and `scale`."""
    resize = advise_resize(train, Framing(size.value))
    chosen: Section = {"image_size": size, "resize": Choice(*resize)}
    if resize.value == "crop":
        scale = _scale(train, size.value)
        if scale < 1:
            chosen["scale"] = Choice(scale, "a crop shows more of its surroundings, and thin classes stay wide enough")
    return chosen


def _scale(train: SplitStatistics, size: tuple[int, int]) -> float:
    """How far images may be shrunk before they are cropped: to half of a side per crop, while nothing gets too thin."""
    (height, width), _ = train.sizes[0]
    wanted = 2 * min(size[0] / height, size[1] / width)
    widths = [label.width for label in train.classes if label.pixels and label.width is not None]
    bearable = WIDE_ENOUGH / min(widths) if widths else wanted
    return min(1.0, max(0.25, math.floor(4 * max(wanted, bearable)) / 4))


def propose_space(train: SplitStatistics, framing: Framing, machine: Machine, weights: str | None) -> Section:
    """What is searched: what has moved results on real data, in ranges that fit the size trained."""
    loss = advise_loss(train)
    return {
        "encoder": Choice(
            ["MobileNetV2", "ResNet50"] if machine.gpus else "MobileNetV2",
            "" if machine.gpus else "the encoder that trains fastest on CPU cores",
        ),
        **({} if weights is None else {"encoder_weights": Choice(weights, "as given")}),
        "learning_rate": Choice(
            {"min": 3e-4, "max": 3e-3, "sampling": "log"}, "what has moved results most in all studies so far"
        ),
        "loss": Choice(_losses(loss), loss.reason),
        "augment": Choice(
            ["standard", "scale"] if framing.resize == "crop" else ["flip", "standard"],
            "DeepLab's own varies the scale of crops" if framing.resize == "crop" else "",
        ),
        "output_stride": Choice([8, 16], "finer or coarser features: what they are worth depends on the objects' size"),
        "aspp_rate": Choice([1, 2, 3], "rates that fit the feature map at this size; the tutorial's are for 512x512"),
        "aspp_gap_2": Choice([1, 2, 3]),
        "aspp_gap_3": Choice([1, 2, 3]),
        "aspp_filters": Choice([128, 256] if machine.gpus else [64, 128]),
        "aspp_separable": Choice(True, "a ninth of the cost, hardly worse"),
        "decoder_depth": Choice([1, 2]),
        "decoder_filters": Choice([128, 256] if machine.gpus else [64, 128]),
        "decoder_separable": Choice(True),
    }


def _losses(advice: Advice) -> list[str] | str:
    # Where a class is rare, cross-entropy alone has lost by more than any architecture has won.
    return [advice.value, "crossentropy+dice"] if advice.value == "crossentropy" else advice.value


def propose_recipe(train: SplitStatistics) -> Section:
    """Fixed training choices."""
    batch = 8 if train.images >= 64 else 4 if train.images >= 8 else 2
    return {
        "batch_size": Choice(batch, f"{plural(train.images, 'training image')}"),
        "ema": Choice(True, "averaged weights: neighbouring epochs' scores differ less, so that ranks are less luck"),
    }


def schedule_sections(
    hyperband: HyperbandSection, confirm: ConfirmSection, seconds: float, hours: float
) -> dict[str, Section]:
    """`[hyperband]` and `[confirm]` as sections, given the time that they are expected to take."""
    expected = f"fits {hours:g} hours: about {duration(seconds)}, measured on this machine"
    sections: dict[str, Section] = {
        "hyperband": {
            "max_epochs": Choice(hyperband.max_epochs, expected),
            "min_epochs": Choice(hyperband.min_epochs, "after fewer epochs, ranks would be luck"),
            "iterations": Choice(hyperband.iterations),
        }
    }
    if confirm.top:
        reason = "the best and the baseline once more from other seeds, so that the verdict is no luck"
        sections["confirm"] = {"top": Choice(confirm.top, reason), "seeds": Choice(confirm.seeds)}
    return sections


def study_text(header: str, sections: Mapping[str, Section]) -> str:
    """A study file: each value with its reason beside it, or above it where a line would get too long."""
    lines = [f"# {line}".rstrip() for line in header.splitlines()]
    for name, section in sections.items():
        lines += ["", f"[{name}]", *_lines(section)]
    return "\n".join(lines) + "\n"


def _lines(section: Section) -> Iterator[str]:
    for key, (value, reason) in section.items():
        line = f"{key} = {toml_value(value)}"
        if reason and len(line) + len(reason) > 110:
            yield f"# {reason}"
            yield line
        else:
            yield f"{line}  # {reason}" if reason else line
