"""What the values of masks mean where a single mask does not tell: all masks of a data set are looked at."""

from __future__ import annotations

import functools
from collections import defaultdict
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import numpy as np

from datasets.colors import class_colors, voc_colors
from datasets.cores import usable_cores
from datasets.dataset import DataError, UInt8Array
from datasets.decoding import Array, Stored, read_stored

_CHUNK = 64
_MOST_LISTED = 5
_MOST_VALUES = 12

Color = tuple[int, ...]


class _Values(NamedTuple):
    """Which values one mask holds, and the colour of each in its palette, if it has one."""

    path: Path
    values: frozenset[int]
    colors: dict[int, Color]


def has_usual_palette(indices: Array, palette: UInt8Array) -> bool:
    """Whether a mask's palette is one of those whose indices are class ids by convention, as far as it is used.

    These are PASCAL VOC's, that of the masks which `predict` writes, and the greys in order.
    """
    used = np.flatnonzero(np.bincount(indices.ravel()))
    return any(np.array_equal(palette[used], usual[used]) for usual in _usual_palettes())


@functools.cache
def _usual_palettes() -> tuple[UInt8Array, ...]:
    greys = np.repeat(np.arange(256, dtype=np.uint8)[:, None], 3, axis=1)
    return voc_colors(256), class_colors(256), greys


def listed_palette(indices: Array, palette: UInt8Array) -> str:
    """The colour of each value that occurs in a mask, in words."""
    used = np.unique(indices)
    listed = ", ".join(f"value {value} is #{bytes(palette[value].tolist()).hex()}" for value in used[:_MOST_VALUES])
    return listed + (", ..." if len(used) > _MOST_VALUES else "")


def is_white_the_object(files: Iterable[Path]) -> bool:
    """Whether 255 is the object in binary masks, of which at least one holds only 0 and 255.

    It is, if no mask holds anything but 0 and 255; it is not, if a mask holds both 1 and 255.

    Raises:
        DataError: some masks hold 0 and 255, others 0 and 1: two conventions, or ignored pixels.
    """
    white = ones = None
    for path, values, _ in _looked_at(files):
        if values - {0, 255}:
            if 255 in values or values - {0, 1}:
                return False
            ones = ones or path
        elif 255 in values:
            white = white or path
    if white is None or ones is None:
        return ones is None
    raise DataError(
        f"Some masks hold 0 and 1 (such as {ones}), others 0 and 255 (such as {white}): 255 may be the object, or "
        'pixels to ignore. Say in classes.json which: "ids": {"0": NAME, "1": NAME, "255": NAME}, each the name of a '
        'class or null (ignored), such as {"classes": ["background", "object"], "ids": {"0": "background", "1": '
        '"object", "255": "object"}}.',
        white,
        "two conventions of masks",
    )


def palettes_agree(files: Iterable[Path]) -> bool:
    """Whether each value has the same colour in all masks with a palette, so that it can be a class id.

    Raises:
        DataError: the palettes disagree: the masks' values are not class ids.
    """
    examples: dict[int, dict[Color, Path]] = defaultdict(dict)
    for path, _, colors in _looked_at(files):
        for value, color in colors.items():
            examples[value].setdefault(color, path)
    different = {value: found for value, found in sorted(examples.items()) if len(found) > 1}
    if not different:
        return True
    lines = [f"value {value} is {_colors(found)}" for value, found in islice(different.items(), _MOST_LISTED)]
    path = next(iter(next(iter(different.values())).values()))
    raise DataError(
        f"The palettes of the masks disagree, so that their values are no class ids: {'; '.join(lines)}. Say in "
        'classes.json which colour each class has: "colors": ["#rrggbb", ...], one for each class in the same order.',
        path,
        "different palettes",
    )


def _colors(found: dict[Color, Path]) -> str:
    shown = list(found.items())[:_MOST_LISTED]
    listed = ", ".join(f"#{bytes(color).hex()} (such as in {path.name})" for color, path in shown)
    return listed + (", ..." if len(found) > _MOST_LISTED else "")


def _looked_at(files: Iterable[Path]) -> Iterator[_Values]:
    """The values of each readable mask; what is wrong with others is said when they are read."""
    remaining = iter(files)
    with ThreadPoolExecutor(usable_cores()) as pool:
        while chunk := list(islice(remaining, _CHUNK)):
            yield from (values for values in pool.map(_look_at, chunk) if values is not None)


def _look_at(path: Path) -> _Values | None:
    try:
        stored = read_stored(path, "mask")
    except DataError:
        return None
    values = _values(stored)
    if stored.palette is None:
        return _Values(path, values, {})
    colors = {value: tuple(stored.palette[value].tolist()) for value in values}
    return _Values(path, values, colors)


def _values(stored: Stored) -> frozenset[int]:
    first = stored.pixels[..., 0]
    if first.dtype in (np.uint8, np.uint16):
        # Counting needs one pass; `np.unique` would sort all pixels.
        return frozenset(np.flatnonzero(np.bincount(first.ravel())).tolist())
    return frozenset(np.unique(first).tolist())
