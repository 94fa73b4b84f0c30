"""Picture sheets: images beside their masks, with a legend of the classes' colours."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from datasets.colors import as_rgb, overlay
from datasets.dataset import Sample, UInt8Array
from datasets.legend import PAPER, draw_legend, legend_entries

# Pairs side by side, and the size of the box that each picture of a pair fills, in pixels.
_COLUMNS, _WIDTH, _HEIGHT = 2, 384, 288
_GAP, _MARGIN, _TITLE, _CAPTION = 6, 16, 40, 22
_INK, _FAINT, _STRIPED = (20, 20, 20), (110, 110, 110), (212, 212, 212)


def picture_sheet(title: str, samples: Sequence[Sample], class_names: Sequence[str], ignore_index: int) -> Image.Image:
    """One page: each sample as its image and, beside it, its mask laid over it.

    Args:
        title: at the top of the page.
        samples: images `[H, W, channels]` with masks of class ids, of any size.
        class_names: in id order, for the legend.
        ignore_index: the id of ignored pixels, which are striped.
    """
    boxes = [_pair(sample, ignore_index) for sample in samples]
    width = max(box.width for box in boxes)
    rows = [boxes[start : start + _COLUMNS] for start in range(0, len(boxes), _COLUMNS)]
    heights = [max(box.height for box in row) + _CAPTION + _GAP for row in rows]
    columns = min(_COLUMNS, len(boxes))
    page_width = 2 * _MARGIN + columns * width + (columns - 1) * _MARGIN
    legend = _legend(class_names, page_width - 2 * _MARGIN)
    page = Image.new("RGB", (page_width, _TITLE + sum(heights) + legend.height + 2 * _MARGIN), PAPER)
    draw = ImageDraw.Draw(page)
    draw.text((_MARGIN, 10), title, _INK, ImageFont.load_default(18))
    top, places = _TITLE, iter(zip(boxes, samples, strict=True))
    for row, height in zip(rows, heights, strict=True):
        for column in range(len(row)):
            box, sample = next(places)
            left = _MARGIN + column * (width + _MARGIN)
            page.paste(box, (left, top))
            size = f"{sample.mask.shape[0]}x{sample.mask.shape[1]}"
            draw.text((left, top + box.height + 2), _cut(f"{sample.name}  {size}", width), _FAINT, _font())
        top += height
    page.paste(legend, (_MARGIN, top + _MARGIN))
    return page


def _pair(sample: Sample, ignore_index: int) -> Image.Image:
    """An image, and its mask laid over it."""
    image = as_rgb(sample.image)
    masked = overlay(image, sample.mask, ignore_index=ignore_index, opacity=0.6)
    ignored = sample.mask == ignore_index
    masked[ignored] = _stripes(sample.mask.shape)[ignored]
    left, right = _fitted(image), _fitted(masked)
    pair = Image.new("RGB", (2 * left.width + _GAP, left.height), PAPER)
    pair.paste(left, (0, 0))
    pair.paste(right, (left.width + _GAP, 0))
    return pair


def _stripes(shape: tuple[int, ...]) -> UInt8Array:
    """Grey diagonal stripes, uint8 `[H, W, 3]`, of a width that stays visible when the picture shrinks."""
    rows, columns = np.ogrid[: shape[0], : shape[1]]
    dark = (rows + columns) // max(2, max(shape) // 48) % 2 == 0
    return np.where(dark[..., None], np.uint8(190), np.uint8(235)).repeat(3, axis=-1)


def _fitted(pixels: UInt8Array) -> Image.Image:
    """A picture as large as its box; averaged where it shrinks, so that thin lines stay, and else pixel by pixel."""
    picture = Image.fromarray(pixels)
    factor = min(_WIDTH / picture.width, _HEIGHT / picture.height)
    size = max(1, round(picture.width * factor)), max(1, round(picture.height * factor))
    return picture.resize(size, Image.Resampling.BOX if factor < 1 else Image.Resampling.NEAREST)


def _legend(class_names: Sequence[str], width: int) -> Image.Image:
    """The classes' colours with their names, in lines of this width."""
    entries = legend_entries(class_names)
    return draw_legend([*entries, (_STRIPED, "ignored (striped)")], width)


def _font() -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(13)


def _cut(text: str, width: int) -> str:
    """`text`, shortened to fit."""
    if _font().getlength(text) <= width:
        return text
    while text and _font().getlength(f"{text}...") > width:
        text = text[:-1]
    return f"{text}..."
