"""Legends of pictures: the classes' colours with their names."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from datasets.colors import class_colors
from datasets.dataset import UInt8Array

PAPER = (255, 255, 255)
_INK, _FAINT = (20, 20, 20), (110, 110, 110)
# Of one line, and around the legend of a picture, in pixels.
_LINE, _MARGIN = 26, 6

Color = tuple[int, int, int]


def legend_entries(class_names: Sequence[str]) -> list[tuple[Color, str]]:
    """The colour and the name of each class; overlays leave class 0 clear."""
    colors: list[Color] = [(int(red), int(green), int(blue)) for red, green, blue in class_colors(len(class_names))]
    return [(PAPER, f"{class_names[0]} (left clear)"), *zip(colors[1:], class_names[1:], strict=True)]


def draw_legend(entries: Sequence[tuple[Color, str]], width: int) -> Image.Image:
    """Colours with their names, in as many lines of this width as they need."""
    font = ImageFont.load_default(13)
    places, left, line = [], 0, 0
    for color, name in entries:
        needed = round(font.getlength(name)) + 40
        if left and left + needed > width:
            left, line = 0, line + 1
        places.append((left, line * _LINE, color, name))
        left += needed
    legend = Image.new("RGB", (width, (line + 1) * _LINE), PAPER)
    draw = ImageDraw.Draw(legend)
    for left, top, color, name in places:
        draw.rectangle((left, top + 3, left + 15, top + 18), fill=color, outline=_FAINT)
        draw.text((left + 22, top + 3), name, _INK, font)
    return legend


def with_legend(picture: UInt8Array, class_names: Sequence[str]) -> UInt8Array:
    """A picture `[H, W, 3]` with the legend of its classes below, on as much more paper as the names need."""
    font = ImageFont.load_default(13)
    widest = max(round(font.getlength(name)) for _, name in legend_entries(class_names)) + 40
    width = max(picture.shape[1], widest + 2 * _MARGIN)
    legend = draw_legend(legend_entries(class_names), width - 2 * _MARGIN)
    page = Image.new("RGB", (width, picture.shape[0] + legend.height + 2 * _MARGIN), PAPER)
    page.paste(Image.fromarray(picture), (0, 0))
    page.paste(legend, (_MARGIN, picture.shape[0] + _MARGIN))
    return np.asarray(page)
