"""Reading and resizing image and mask files."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image, ImageOps

from datasets.dataset import DataError, UInt8Array

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png")
MASK_SUFFIXES = (".png",)  # JPEG would change class ids

# Pillow's own limit is just below 10,000 x 10,000 pixels, as maps and slides have them; one set by the user stays.
if Image.MAX_IMAGE_PIXELS == 2**30 // 12:
    Image.MAX_IMAGE_PIXELS = 2**28

Orientation = Literal["turned", "raw"]


@dataclass(frozen=True)
class ImageReading:
    """How image files become arrays.

    Attributes:
        channels: of the arrays, 1 to 16.
        value_range: the values that become 0 and 255, for images of more than 8 bits; None refuses them.
        orientation: whether masks belong to images that are "turned" as their EXIF orientation says, or to their "raw"
            pixels; None where the sizes must tell.
    """

    channels: int = 3
    value_range: tuple[float, float] | None = None
    orientation: Orientation | None = None


# At most 8 bits per channel: only the user knows how a wider range should map to 0-255.
_COLOR_MODES = ("1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr")
_MASK_MODES = ("1", "L", "P")


def read_image(path: Path) -> UInt8Array:
    """The image at `path` as RGB uint8 [H, W, 3], rotated as viewers show it (EXIF orientation).

    Greyscale, palette and CMYK images become RGB; an alpha channel is dropped, but the colours under it are kept.

    Raises:
        DataError: missing, not a JPEG or PNG, damaged, above Pillow's pixel limit, or more than 8 bits per channel.
    """
    return _decode(path, "image", _to_rgb)


def read_mask(path: Path) -> UInt8Array:
    """The values of the mask at `path`, uint8 [H, W]: grey values, palette indices, or 0 and 1 of a 1-bit PNG.

    Raises:
        DataError: missing, not a PNG, damaged, above Pillow's pixel limit, or not 8-bit single-channel or palette.
    """
    return _decode(path, "mask", _to_ids)


def _decode(path: Path, kind: str, convert: Callable[[Image.Image, Path], UInt8Array]) -> UInt8Array:
    # The content decides which decoder Pillow runs, whatever the file is called, so others are ruled out.
    formats = ("PNG",) if kind == "mask" else ("JPEG", "PNG")
    try:
        with Image.open(path, formats=formats) as opened:
            _refuse_bomb(opened, path)
            return convert(opened, path)
    except DataError:
        raise
    except FileNotFoundError:
        raise DataError(f"{kind.capitalize()} {path} is missing.", path) from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise DataError(_bomb_message(path), path) from None
    # Pillow's decoders raise nearly anything on damaged files: OSError, SyntaxError, struct.error, zlib.error ...
    except Exception as error:
        expected = " or ".join(formats)
        raise DataError(
            f"Cannot read {kind} {path}: {error}. Expected an intact {expected} file; replace or remove it.", path
        ) from error


def _refuse_bomb(opened: Image.Image, path: Path) -> None:
    # Pillow itself only warns about images up to twice the limit.
    limit = Image.MAX_IMAGE_PIXELS
    if limit is not None and opened.width * opened.height > limit:
        raise DataError(_bomb_message(path), path)


def _bomb_message(path: Path) -> str:
    return (
        f"{path} has more pixels than the limit of {Image.MAX_IMAGE_PIXELS:,} that guards against decompression "
        "bombs; crop or shrink it."
    )


def _to_rgb(opened: Image.Image, path: Path) -> UInt8Array:
    if opened.mode not in _COLOR_MODES:
        raise DataError(
            f"Image {path} has pixels of mode {opened.mode}; expected 8 bits per channel (grey, palette or RGB). "
            "Convert it, and decide how its range should map to 0-255.",
            path,
        )
    image: Image.Image = opened
    # Pillow warns about palette images with transparency unless they go through RGBA.
    if "transparency" in image.info and image.mode == "P":
        image = image.convert("RGBA")
    return np.asarray(ImageOps.exif_transpose(image).convert("RGB"))


def _to_ids(opened: Image.Image, path: Path) -> UInt8Array:
    if opened.mode not in _MASK_MODES:
        raise DataError(
            f"Mask {path} has pixels of mode {opened.mode}; expected one channel of 8-bit class ids (a grey or palette "
            "PNG). Map colours or 16-bit values to class ids first.",
            path,
        )
    return np.asarray(opened).astype(np.uint8)
