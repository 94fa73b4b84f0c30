"""Pictures of predictions and of confusion matrices, for people to compare."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from datasets.colors import colorize

# The longest side of one panel, in pixels; four of them make a picture.
PANEL = 256
_GAP, _HEADER = 4, 18
_RIGHT, _WRONG, _IGNORED = (225, 230, 232), (213, 40, 40), (140, 140, 140)
_INK, _PAPER = (20, 20, 20), (255, 255, 255)

UInt8Array = npt.NDArray[np.uint8]


def side_by_side(image: UInt8Array, truth: UInt8Array, predicted: UInt8Array, ignore_index: int) -> bytes:
    """Input, truth, prediction and error side by side, as JPEG.

    Args:
        image: RGB `[H, W, 3]`.
        truth: class ids `[H, W]`; pixels of `ignore_index` count neither as right nor as wrong.
        predicted: class ids `[H, W]`.
        ignore_index: value of the truth that is not a class.
    """
    panels = {
        "input": image,
        "truth": colorize(truth, ignore_index),
        "prediction": colorize(predicted, ignore_index),
        "error": error_map(truth, predicted, ignore_index),
    }
    return picture_sheet(panels)


def picture_sheet(panels: Mapping[str, UInt8Array], longest: int = PANEL) -> bytes:
    """Pictures of one size, RGB `[H, W, 3]`, side by side under their names, as JPEG.

    Args:
        panels: by name; the first is a photo, the others are drawn in the colours of classes.
        longest: side of a panel, in pixels.
    """
    # Nearest, because colours between two classes would look like a third.
    scaled = [
        _panel(pixels, Image.Resampling.NEAREST if place else Image.Resampling.BILINEAR, longest)
        for place, pixels in enumerate(panels.values())
    ]
    width, height = scaled[0].size
    sheet = Image.new("RGB", (len(panels) * (width + _GAP) - _GAP, height + _HEADER), _PAPER)
    draw = ImageDraw.Draw(sheet)
    for place, (name, panel) in enumerate(zip(panels, scaled, strict=True)):
        left = place * (width + _GAP)
        draw.text((left + 2, 2), name, _INK, ImageFont.load_default(12))
        sheet.paste(panel, (left, _HEADER))
    return _jpeg(sheet)


def confusion_picture(matrix: npt.NDArray[np.int64], class_names: Sequence[str]) -> bytes:
    """A confusion matrix `[C, C]` as JPEG: each row shows how the pixels of a true class are predicted, in percent."""
    shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    font = ImageFont.load_default(11)
    cell, head = 38, 12 + max(round(font.getlength(name)) for name in (*class_names, "true \\ predicted"))
    side = cell * len(class_names)
    sheet = Image.new("RGB", (head + side, head + side), _PAPER)
    draw = ImageDraw.Draw(sheet)
    for number, name in enumerate(class_names):
        draw.text((4, head + number * cell + cell // 3), name, _INK, font)
        _vertical(sheet, name, head + number * cell + cell // 3, head, font)
    draw.text((4, head - 16), "true \\ predicted", _INK, font)
    for row, column in np.ndindex(*shares.shape):
        share = float(shares[row, column])
        box = (head + column * cell, head + row * cell)
        shade = tuple(round(255 - share * (255 - part)) for part in (0, 83, 138))
        draw.rectangle((*box, box[0] + cell - 2, box[1] + cell - 2), fill=shade)
        ink = _PAPER if share > 0.5 else _INK
        draw.text((box[0] + 6, box[1] + cell // 3), f"{100 * share:.0f}", ink, font)
    return _jpeg(sheet)


def error_map(truth: UInt8Array, predicted: UInt8Array, ignore_index: int) -> UInt8Array:
    """Where a prediction is wrong, RGB `[H, W, 3]`: red; right: light; ignored: grey."""
    right, wrong, ignored = (np.array(color, np.uint8) for color in (_RIGHT, _WRONG, _IGNORED))
    error = np.where((truth == predicted)[..., np.newaxis], right, wrong)
    return np.where((truth == ignore_index)[..., np.newaxis], ignored, error)


def _panel(pixels: UInt8Array, resampling: Image.Resampling, longest: int) -> Image.Image:
    panel = Image.fromarray(pixels)
    scale = longest / max(panel.size)
    return panel.resize((max(1, round(panel.width * scale)), max(1, round(panel.height * scale))), resampling)


def _vertical(
    sheet: Image.Image, text: str, left: int, bottom: int, font: ImageFont.FreeTypeFont | ImageFont.ImageFont
) -> None:
    """Text that reads upwards and ends above `bottom`."""
    strip = Image.new("RGB", (bottom, 14), _PAPER)
    ImageDraw.Draw(strip).text((4, 0), text, _INK, font)
    sheet.paste(strip.rotate(90, expand=True), (left, 0))


def _jpeg(picture: Image.Image) -> bytes:
    content = io.BytesIO()
    # Full colour resolution, so that the classes' colours stay themselves at their edges.
    picture.save(content, "JPEG", quality=88, subsampling=0)
    return content.getvalue()
