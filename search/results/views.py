"""Several predictions of one image, at other scales and mirrored, averaged."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from datasets import Framing
from datasets.inference import Band, Probabilities, predict_bands
from search.errors import UserError
from search.results.evaluation import UInt8Array

Float32Array = npt.NDArray[np.float32]
# Rows of an image that are averaged at a time: the views come in bands of different heights.
_ROWS = 64


@dataclass(frozen=True)
class Views:
    """The versions of an image that are predicted: each of the scales, plain and, with `flip`, mirrored."""

    flip: bool = False
    scales: tuple[float, ...] = (1.0,)

    @property
    def is_one(self) -> bool:
        """Whether there is just the image as it is."""
        return not self.flip and self.scales == (1.0,)


def parse_scales(text: str) -> tuple[float, ...]:
    """The factors of `--scales`. Raises UserError."""
    try:
        scales = tuple(float(part) for part in text.split(","))
    except ValueError:
        scales = ()
    if not scales or not all(0.1 <= scale <= 10 for scale in scales):
        raise UserError(f"--scales: given {text!r}; expected factors from 0.1 to 10, as in 0.75,1,1.25.")
    return scales


def averaged(
    probabilities: Probabilities,
    image: UInt8Array,
    framing: Framing,
    views: Views,
    mirror: Sequence[tuple[int, int]] = (),
    batch: int = 1,
) -> Iterator[Band]:
    """The mean probabilities of an image over all views, some rows at a time, from top to bottom.

    Args:
        probabilities: of a batch at the model's size.
        image: uint8 `[H, W, channels]`.
        framing: how images are brought to the model's size.
        views: the versions of the image.
        mirror: pairs of class ids that change places in a mirrored image.
        batch: tiles per call.
    """

    def bands(seen: UInt8Array, scale: float) -> Iterator[Band]:
        return predict_bands(probabilities, seen, framing, scale, batch)

    plain = [bands(image, scale) for scale in views.scales]
    flipped = [bands(image[:, ::-1], scale) for scale in views.scales if views.flip]
    all_views = [*plain, *(_mirrored(one, mirror) for one in flipped)]
    if len(all_views) == 1:
        yield from all_views[0]
        return
    for parts in zip(*(_in_equal_bands(one, len(image)) for one in all_views), strict=True):
        yield parts[0][0], np.mean([part for _, part in parts], axis=0, dtype=np.float32)


def _mirrored(bands: Iterator[Band], mirror: Sequence[tuple[int, int]]) -> Iterator[Band]:
    """The bands of a mirrored image, mirrored back; `mirror` are pairs of classes that changed places."""
    for rows, probabilities in bands:
        back = probabilities[:, ::-1]
        if back.shape[-1] == 1:
            yield rows, 1 - back if mirror else back
            continue
        order = np.arange(back.shape[-1])
        for first, second in mirror:
            order[[first, second]] = second, first
        yield rows, back[..., order]


def _in_equal_bands(bands: Iterator[Band], height: int) -> Iterator[Band]:
    """The same rows in bands of `_ROWS`; the last may be smaller."""
    held: Float32Array | None = None
    start = 0
    for _, part in bands:
        held = part if held is None else np.concatenate([held, part])
        while len(held) >= min(_ROWS, height - start) > 0:
            count = min(_ROWS, height - start)
            yield slice(start, start + count), held[:count]
            held, start = held[count:], start + count
