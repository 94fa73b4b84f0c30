"""The best network as a drawing: boxes that the page lays out, from the encoder to the masks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from deeplab import Architecture, feature_map_size


@dataclass(frozen=True)
class Box:
    """One step of the network, or several side by side (`branches`)."""

    title: str
    detail: str = ""
    branches: Sequence[Box] = ()
    joins: str = ""


def draw_network(architecture: Architecture, image_size: tuple[int, int], outputs: int, channels: int = 3) -> list[Box]:
    """The boxes of a network, in the order of the data; `joins` says what is added from the side."""
    height, width = feature_map_size(image_size, architecture.output_stride)
    boxes = [
        Box("input", f"{image_size[0]} x {image_size[1]} {'RGB' if channels == 3 else f'x {channels}'}"),
        Box(architecture.encoder, f"to {architecture.aspp_tap}, output stride {architecture.output_stride}"),
        Box(f"ASPP on {height} x {width} cells", f"{architecture.aspp_filters} filters each", _branches(architecture)),
        Box("1x1 convolution", f"{architecture.aspp_filters} filters{_dropout(architecture)}"),
    ]
    taps = architecture.low_level_tap if architecture.low_level_filters else ()
    for tap in taps or ("",):
        if tap:
            joins = f"{tap}, 1x1 to {architecture.low_level_filters} filters"
            boxes.append(Box("upsample, concatenate", "bilinear", joins=joins))
        if architecture.decoder_depth:
            boxes.append(Box(f"{architecture.decoder_depth} x 3x3 convolution", _decoder(architecture)))
    classes = "1 filter, sigmoid" if outputs == 1 else f"{outputs} filters, softmax"
    return [*boxes, Box("1x1 convolution, upsample", f"{classes}, {image_size[0]} x {image_size[1]}")]


def _branches(architecture: Architecture) -> list[Box]:
    kind = "separable 3x3" if architecture.aspp_separable else "3x3"
    branches = [Box("image pooling", "mean, 1x1")] if architecture.aspp_pooling else []
    return [*branches, Box("1x1"), *(Box(kind, f"rate {rate}") for rate in architecture.aspp_rates)]


def _decoder(architecture: Architecture) -> str:
    parts = [f"{architecture.decoder_filters} filters"]
    parts += ["separable"] if architecture.decoder_separable else []
    parts += ["ReLU before and after the norm"] if architecture.decoder_double_relu else []
    return ", ".join(parts)


def _dropout(architecture: Architecture) -> str:
    return f", dropout {architecture.aspp_dropout:g}" if architecture.aspp_dropout else ""
