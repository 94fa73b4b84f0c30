"""What a network says about an image of any size, at the image's own size."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np

from datasets.dataset import UInt8Array
from datasets.framing import OUTSIDE, Framing, pad_to
from datasets.resizing import resize_image
from datasets.tiles import FloatArray, TiledAxis

# Inputs uint8 [B, h, w, C] of the network's size to probabilities float32 [B, h, w, outputs].
Probabilities = Callable[[UInt8Array], FloatArray]
# Whole rows of an image, and the probabilities float32 [rows, W, outputs] of their pixels.
Band = tuple[slice, FloatArray]

# Rows of a result that are made at once, so that a large image needs no array of all its probabilities.
_BAND = 128


def predict(probabilities: Probabilities, image: UInt8Array, framing: Framing, batch: int = 1) -> FloatArray:
    """Probabilities float32 [H, W, outputs] of an image, at its own size. Arguments as in `predict_bands`."""
    return np.concatenate([band for _, band in predict_bands(probabilities, image, framing, batch=batch)])


def predict_ids(probabilities: Probabilities, image: UInt8Array, framing: Framing, batch: int = 1) -> UInt8Array:
    """Class ids uint8 [H, W] of an image, at its own size. Arguments as in `predict_bands`."""
    return np.concatenate([class_ids(band) for _, band in predict_bands(probabilities, image, framing, batch=batch)])


def class_ids(probabilities: FloatArray) -> UInt8Array:
    """Class ids uint8 [...] of probabilities [..., outputs]: the most probable class; of one output, above one half."""
    if probabilities.shape[-1] == 1:
        return (probabilities[..., 0] > 0.5).astype(np.uint8)
    return probabilities.argmax(axis=-1).astype(np.uint8)


def predict_bands(
    probabilities: Probabilities, image: UInt8Array, framing: Framing, zoom: float = 1.0, batch: int = 1
) -> Iterator[Band]:
    """Probabilities of an image at its own size, in bands from the top, so that memory is bounded by the width.

    Args:
        probabilities: the network; called with up to `batch` inputs of `framing.image_size` at a time.
        image: uint8 [H, W, C].
        framing: as the network was trained. With "crop", tiles overlap and are blended; else the whole image is one
            input.
        zoom: a factor by which the image is resized beyond what `framing` says; other than 1, it is seen in tiles.
        batch: tiles per call.

    Yields:
        Rows of the image, and their probabilities float32 [rows, W, outputs].
    """
    size = (image.shape[0], image.shape[1])
    content = framing.content(size)
    if framing.is_whole and zoom == 1:
        found = probabilities(framing.image(image)[np.newaxis])[0]
        bands: Iterable[FloatArray] = [np.asarray(found, np.float32)[: content[0], : content[1]]]
    else:
        content = (max(1, round(content[0] * zoom)), max(1, round(content[1] * zoom)))
        resized = resize_image(image, content)
        bands = (band[:, : content[1]] for band in _tiled_bands(probabilities, resized, framing.image_size, batch))
    yield from _resized_bands(bands, content, size)


def predict_whole(
    probabilities: Probabilities, images: Sequence[UInt8Array], framing: Framing
) -> Iterator[Iterator[Band]]:
    """The bands of several images, each as of `predict_bands`, by one call of the network.

    Args:
        probabilities: the network.
        images: uint8 [H, W, C], of any sizes.
        framing: one in which an image is one input, and not cut into tiles.
    """
    found = probabilities(np.stack([framing.image(image) for image in images]))
    for image, answer in zip(images, found, strict=True):
        size = (image.shape[0], image.shape[1])
        height, width = framing.content(size)
        yield _resized_bands([np.asarray(answer, np.float32)[:height, :width]], (height, width), size)


def predict_framed(probabilities: Probabilities, framed: UInt8Array, tile: tuple[int, int], batch: int) -> FloatArray:
    """Probabilities float32 [H, W, outputs] of an image [H, W, C] in tiles of (height, width) `tile`, not resized."""
    return np.concatenate(list(_tiled_bands(probabilities, framed, tile, batch)))[:, : framed.shape[1]]


def _tiled_bands(
    probabilities: Probabilities, image: UInt8Array, tile: tuple[int, int], batch: int
) -> Iterator[FloatArray]:
    """Blended probabilities of an image, in bands of rows to which no further tile contributes."""
    height = image.shape[0]
    image = pad_to(image, tile, OUTSIDE)
    rows, columns = (TiledAxis(length, side) for length, side in zip(image.shape[:2], tile, strict=True))
    below: FloatArray | None = None
    for number, top in enumerate(rows.starts):
        found = _tile_row(probabilities, image[top : top + tile[0]], columns, batch)
        found *= rows.weights(number)[:, np.newaxis, np.newaxis]
        if below is not None:
            found[: len(below)] += below
        last = number == len(rows.starts) - 1
        done = tile[0] if last else rows.starts[number + 1] - top
        yield found[: min(done, height - top)]
        below = found[done:].copy()


def _tile_row(probabilities: Probabilities, strip: UInt8Array, columns: TiledAxis, batch: int) -> FloatArray:
    """Probabilities of a strip [tile height, W, C], blended along its width."""
    blended: FloatArray | None = None
    for first in range(0, len(columns.starts), batch):
        starts = columns.starts[first : first + batch]
        tiles = np.stack([strip[:, start : start + columns.tile] for start in starts])
        for number, (start, found) in enumerate(zip(starts, probabilities(tiles), strict=True), first):
            if blended is None:
                blended = np.zeros((*strip.shape[:2], found.shape[-1]), np.float32)
            blended[:, start : start + columns.tile] += found * columns.weights(number)[:, np.newaxis]
    assert blended is not None, "an image has at least one tile"
    return blended


def _resized_bands(bands: Iterable[FloatArray], size: tuple[int, int], target: tuple[int, int]) -> Iterator[Band]:
    """Bands of an array of `size` (height, width), as bands of that array resized bilinearly to `target`."""
    above, below, share = _neighbours(size[0], target[0])
    kept, first, done = None, 0, 0
    for band in bands:
        wide = _resized_width(band, target[1])
        kept = wide if kept is None else np.concatenate([kept, wide])
        ready = int(np.searchsorted(below, first + len(kept)))
        for start in range(done, ready, _BAND):
            rows = slice(start, min(start + _BAND, ready))
            high, low = kept[above[rows] - first], kept[below[rows] - first]
            yield rows, high + (low - high) * share[rows, np.newaxis, np.newaxis]
        done = ready
        # The row above the next one is still needed.
        spent = min(int(above[done]) - first, len(kept)) if done < target[0] else len(kept)
        kept, first = kept[spent:], first + spent


def _resized_width(band: FloatArray, width: int) -> FloatArray:
    if band.shape[1] == width:
        return band
    left, right, share = _neighbours(band.shape[1], width)
    high, low = band[:, left], band[:, right]
    return np.asarray(high + (low - high) * share[np.newaxis, :, np.newaxis], np.float32)


def _neighbours(length: int, target: int) -> tuple[np.ndarray, np.ndarray, FloatArray]:
    """Bilinear interpolation with pixel centres at one half: the two source pixels of each target one, and the share.

    As `tf.image.resize` has it, so that a network scales back what it would.
    """
    place = np.clip((np.arange(target) + 0.5) * (length / target) - 0.5, 0, length - 1)
    first = np.floor(place).astype(np.int64)
    return first, np.minimum(first + 1, length - 1), (place - first).astype(np.float32)
