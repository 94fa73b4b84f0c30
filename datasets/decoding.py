"""Image files as arrays of what they store, whatever their format, and one clear message for what cannot be read."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import ExifTags, Image

from datasets.dataset import DataError, UInt8Array

Array = npt.NDArray[Any]

_FORMATS = ("BMP", "JPEG", "PNG", "TIFF", "WEBP")
_TIFF_STARTS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")

# Pillow's own limit is just below 10,000 x 10,000 pixels, as maps and slides have them; one set by the user stays.
if Image.MAX_IMAGE_PIXELS == 2**30 // 12:
    Image.MAX_IMAGE_PIXELS = 2**28

# What each EXIF orientation says must be done to the stored pixels: swap the axes first, then reverse these.
_TURNS: dict[int, tuple[bool, tuple[int, ...]]] = {
    2: (False, (1,)),
    3: (False, (0, 1)),
    4: (False, (0,)),
    5: (True, ()),
    6: (True, (1,)),
    7: (True, (0, 1)),
    8: (True, (0,)),
}
_OPPOSITE = {6: 8, 8: 6}
# ITU-R BT.601, as Pillow makes grey of colours.
_LUMINANCE = np.array([0.299, 0.587, 0.114], np.float32)


class Stored(NamedTuple):
    """What an image file holds.

    Attributes:
        pixels: `[H, W, C]`: samples as stored, of any type; CMYK and YCbCr are RGB, and palettes' pixels are indices.
        bits: of a sample, as stored; `pixels` of 1, 2 and 4 bits hold 0 to 1, 3 and 15.
        alpha: whether the last channel is opacity.
        palette: RGB of each index, uint8 `[N, 3]`; None where pixels are no indices.
        orientation: what EXIF says of how to turn the pixels, 1 (not at all) to 8.
        format: of the file, such as "PNG".
    """

    pixels: Array
    bits: int
    alpha: bool
    palette: UInt8Array | None
    orientation: int
    format: str


def read_stored(path: Path, kind: str) -> Stored:
    """What the file at `path` holds; `kind` ("image", "mask") names it in messages.

    Raises:
        DataError: missing, of no known format, damaged, above Pillow's pixel limit, with several images, or with
            indices that its palette lacks.
    """
    with _clear_errors(path, kind):
        if _is_unusual_tiff(path):
            return _by_tifffile(path)
        # The content decides which decoder Pillow runs, whatever the file is called, so others are ruled out.
        with Image.open(path, formats=_FORMATS) as opened:
            _refuse_bomb(path, opened.width * opened.height)
            return _by_pillow(opened, path)


def turned(array: Array, orientation: int) -> Array:
    """`array` [H, W, ...] as viewers show it, given its EXIF orientation."""
    swap, reverse = _TURNS.get(orientation, (False, ()))
    return np.flip(np.swapaxes(array, 0, 1) if swap else array, reverse)


def brightness(colors: Array) -> Array:
    """The grey of RGB colours `[H, W, 3]`, rounded."""
    return np.rint(colors @ _LUMINANCE)


@contextmanager
def _clear_errors(path: Path, kind: str) -> Iterator[None]:
    try:
        yield
    except DataError:
        raise
    except FileNotFoundError:
        raise DataError(f"{kind.capitalize()} {path} is missing.", path, f"missing {kind}") from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise _bomb(path) from None
    # Decoders raise nearly anything on damaged files: OSError, SyntaxError, struct.error, zlib.error ...
    except Exception as error:
        expected = f"{', '.join(_FORMATS[:-1])} or {_FORMATS[-1]}"
        raise DataError(
            f"Cannot read {kind} {path}: {error}. Expected an intact {expected} file; replace or remove it.",
            path,
            f"unreadable {kind}",
        ) from error


def _by_pillow(opened: Image.Image, path: Path) -> Stored:
    bits, orientation = _bits_per_sample(opened, path), _orientation(opened)
    file_format = opened.format or ""
    if file_format == "PNG" and bits == 16:
        pixels = _deep_png(path)
        return Stored(pixels, bits, pixels.shape[2] in (2, 4), None, orientation, file_format)
    if opened.mode in ("CMYK", "YCbCr"):
        pixels, mode = np.asarray(opened.convert("RGB")), "RGB"
    elif opened.mode in ("1", "L", "LA", "P", "RGB", "RGBA"):
        pixels, mode = np.asarray(opened).astype(np.uint8, copy=False), opened.mode
    else:
        raise DataError(
            f"{path} has pixels of mode {opened.mode}; expected grey, RGB, a palette or CMYK.", path, "unknown pixels"
        )
    if mode == "L" and bits < 8:
        pixels = pixels // (255 // (2**bits - 1))  # Pillow spreads them over 0-255
    if file_format == "TIFF":
        pixels = turned(pixels, _OPPOSITE.get(orientation, orientation))  # Pillow has turned them
    palette = np.array(opened.getpalette("RGB"), np.uint8).reshape(-1, 3) if mode == "P" else None
    if palette is not None and pixels.max(initial=0) >= len(palette):
        raise DataError(f"{path} has colours that its palette lacks; replace or remove it.", path, "broken palette")
    return Stored(
        pixels.reshape(*pixels.shape[:2], -1), bits, mode in ("LA", "RGBA"), palette, orientation, file_format
    )


def _bits_per_sample(opened: Image.Image, path: Path) -> int:
    """Pillow widens 1, 2 and 4 bits to 8, and drops half of 16 bits in colour images; so the header must tell."""
    if opened.format == "PNG":
        with path.open("rb") as file:
            return file.read(25)[24]
    if opened.format == "TIFF":
        return int(max(np.atleast_1d(opened.tag_v2.get(258, 1))))  # type: ignore[attr-defined]
    return 1 if opened.mode == "1" else 8


def _orientation(opened: Image.Image) -> int:
    found = opened.getexif().get(ExifTags.Base.Orientation, 1)
    return found if found in _TURNS else 1


def _deep_png(path: Path) -> Array:
    from imagecodecs import png_decode

    samples: Array = png_decode(path.read_bytes())
    return samples.reshape(*samples.shape[:2], -1)


def _is_unusual_tiff(path: Path) -> bool:
    """Whether a file is a TIFF that Pillow would refuse, or show less of than it holds."""
    with path.open("rb") as file:
        if file.read(4) not in _TIFF_STARTS:
            return False
    import tifffile

    with tifffile.TiffFile(path) as tiff:
        page = tiff.pages.first
        few = len(tiff.pages) == 1 and page.samplesperpixel - len(page.extrasamples) in (1, 3, 4)
        return not few or page.bitspersample > 8 or any(extra == 0 for extra in page.extrasamples)


def _by_tifffile(path: Path) -> Stored:
    import tifffile

    with tifffile.TiffFile(path) as tiff:
        page, series = tiff.pages.first, tiff.series[0]
        others = [place for place, axis in enumerate(series.axes) if axis not in "YX"]
        if len(tiff.series) > 1 or len(others) > 1 or not {"Y", "X"} <= set(series.axes):
            raise DataError(
                f"{path} holds {len(tiff.series)} images, the first of shape {series.shape} ({series.axes}); expected "
                "one image, of height, width and channels. Store each image in a file of its own.",
                path,
                "several images in one file",
            )
        _refuse_bomb(path, page.imagewidth * page.imagelength)
        samples = series.asarray()
        orientation = page.tags.valueof(ExifTags.Base.Orientation, 1)
    pixels = np.moveaxis(samples, others[0], -1) if others else samples[..., None]
    alpha = any(extra in (1, 2) for extra in page.extrasamples[-1:])
    return Stored(pixels, page.bitspersample, alpha, None, int(orientation), "TIFF")


def _refuse_bomb(path: Path, pixels: int) -> None:
    # Pillow itself only warns about images up to twice the limit.
    if Image.MAX_IMAGE_PIXELS is not None and pixels > Image.MAX_IMAGE_PIXELS:
        raise _bomb(path)


def _bomb(path: Path) -> DataError:
    return DataError(
        f"{path} has more pixels than the limit of {Image.MAX_IMAGE_PIXELS:,} that guards against decompression "
        "bombs; crop or shrink it.",
        path,
        "too many pixels",
    )
