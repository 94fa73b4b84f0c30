"""Mask files as class ids: by colour, by a table of values, or by what all masks of a data set have in common."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from datasets.dataset import DataError, UInt8Array
from datasets.decoding import Array, Stored, brightness, read_stored
from datasets.formats.classes import Color, Labels
from datasets.formats.conventions import has_usual_palette, is_white_the_object, listed_palette, palettes_agree

MASK_SUFFIXES = (".png", ".tif", ".tiff", ".bmp", ".jpg", ".jpeg")

Question = Callable[[Iterable[Path]], bool]

_MOST_LISTED = 5
_MOST_UNSMOOTHED = 2
_GREY_VALUES = 2**16
_BLACK_AND_WHITE = {(0, 0, 0), (255, 255, 255)}


class Mask(NamedTuple):
    """Class ids `[H, W]`, uint8, as stored, and what EXIF says of how to turn them (1 to 8)."""

    ids: UInt8Array
    orientation: int


class MaskReader:
    """Reads the masks of one data set. Safe to use from several threads.

    Args:
        labels: what the values of the masks mean.
        files: lists all masks; called only where one mask does not tell what its values mean.
    """

    def __init__(self, labels: Labels, files: Callable[[], Iterable[Path]]) -> None:
        self.labels = labels
        self._files = files
        self._deciding = threading.Lock()
        self._answers: dict[Question, bool | DataError] = {}
        self._palette_colors: dict[int, Color] = {}

    def read(self, path: Path, *, unlisted: bool = False) -> Mask:
        """The mask at `path`; with `unlisted`, colours that have no class are ignored rather than refused.

        Raises:
            DataError: missing, damaged, or its values cannot be known; the message says which key tells them.
        """
        stored = read_stored(path, "mask")
        if unlisted and self.labels.colors is not None and stored.pixels.shape[2] == 3:
            found, known = self._colored(stored.pixels)
            return Mask(np.where(known, found, np.uint8(self.labels.ignore_index)), stored.orientation)
        return Mask(np.ascontiguousarray(self._ids(stored, path)), stored.orientation)

    def colors(self) -> dict[int, str]:
        """The colour ("#rrggbb") of each class: as named, or in the palettes of the masks read so far."""
        named = {index: color for color, index in (self.labels.colors or {}).items()}
        found = sorted((named or self._palette_colors).items())
        return {index: f"#{bytes(color).hex()}" for index, color in found if index < len(self.labels.names)}

    @property
    def other_ids(self) -> Mapping[int, int] | None:
        """The table of values, unless it says no more than that values are class ids."""
        ids = self.labels.ids
        return None if ids is None or all(value == index for value, index in ids.items()) else ids

    def _ids(self, stored: Stored, path: Path) -> UInt8Array:
        if self.labels.threshold is not None:
            return (_brightness(stored) >= self.labels.threshold).astype(np.uint8)
        if stored.format not in ("PNG", "TIFF", "BMP"):
            raise _inexact(stored.format, path)
        if stored.alpha and (stored.pixels[..., -1] != 2**stored.bits - 1).any():
            raise DataError(
                f"Mask {path} has transparent pixels, whose meaning is unknown; save masks without opacity.",
                path,
                "mask with transparent pixels",
            )
        if stored.palette is not None:
            return self._of_palette(stored.pixels[..., 0], stored.palette, path)
        samples = stored.pixels[..., :-1] if stored.alpha else stored.pixels
        if samples.shape[2] == 1 or (self.labels.colors is None and _is_grey(samples)):
            return self._of_grey(samples[..., 0], path)
        return self._of_colors(samples, path)

    def _of_palette(self, indices: Array, palette: UInt8Array, path: Path) -> UInt8Array:
        if self.labels.colors is not None:
            return self._of_colors(palette[indices], path)
        if self.labels.classes == 1 and {*map(tuple, palette.tolist())} == _BLACK_AND_WHITE:
            return (palette[indices][..., 0] > 0).astype(np.uint8)
        if self.labels.ids is None and not has_usual_palette(indices, palette):
            self._asked(palettes_agree)  # which says more, if they do not
            raise _unknown_palette(indices, palette, path)
        if self.labels.ids is not None:
            self._asked(palettes_agree)
        ids = self._of_values(indices, path)
        used, places = np.unique(indices, return_index=True)
        self._palette_colors |= {
            int(ids.flat[place]): _color(palette[value]) for value, place in zip(used, places, strict=True)
        }
        return ids

    def _of_colors(self, samples: Array, path: Path) -> UInt8Array:
        """Class ids of colours `[H, W, 3]`."""
        if samples.shape[2] != 3 or samples.dtype != np.uint8:
            raise DataError(
                f"Mask {path} has {samples.shape[2]} channels of {samples.dtype}; expected one channel of class ids, "
                "or 8-bit colours.",
                path,
                "mask of unknown channels",
            )
        packed = _packed(samples)
        if self.labels.colors is None:
            raise DataError(
                f"Mask {path} holds colours: {_listed_colors(packed)}. Say in classes.json which class each one is: "
                '"colors": ["#rrggbb", ...], one for each class in their order ("ignore_colors" for what to ignore).',
                path,
                "mask of unknown colours",
            )
        found, known = self._colored(samples)
        if not known.all():
            raise DataError(
                f"Mask {path} holds colours that are not in classes.json: {_listed_colors(packed[~known])}. Add them "
                'to its "colors" or "ignore_colors", or save masks without smoothing and compression.',
                path,
                "mask of unlisted colours",
            )
        return found

    def _colored(self, samples: Array) -> tuple[UInt8Array, Array]:
        """The class id of each colour `[H, W, 3]`, and whether it has one."""
        colors = self.labels.colors or {}
        return _looked_up(_packed(samples), {_pack(color): index for color, index in colors.items()})

    def _of_grey(self, values: Array, path: Path) -> UInt8Array:
        """Class ids of grey values `[H, W]`: where colours are named, those of the colours or of the values."""
        if self.labels.colors is None:
            return self._of_values(values, path)
        greys = {color[0]: index for color, index in self.labels.colors.items() if len(set(color)) == 1}
        by_color, are_colors = _looked_up(values, greys)
        if are_colors.all() and (len(greys) == len(self.labels.colors) or self._agrees(values, by_color)):
            return by_color
        if are_colors.all() and self._are_ids(values):
            raise DataError(
                f"The grey values of mask {path} may be colours or class ids, which differ. Save it in colours.",
                path,
                "mask of grey colours or of ids",
            )
        return self._of_values(values, path)

    def _agrees(self, values: Array, by_color: UInt8Array) -> bool:
        return not self._are_ids(values) or np.array_equal(_looked_up(values, self._table())[0], by_color)

    def _are_ids(self, values: Array) -> bool:
        return bool(_looked_up(values, self._table())[1].all())

    def _of_values(self, values: Array, path: Path) -> UInt8Array:
        """Class ids of a mask's values `[H, W]`."""
        if not np.issubdtype(values.dtype, np.integer):
            raise DataError(f"Mask {path} holds fractions ({values.dtype}); expected class ids.", path, "fractions")
        found, known = _looked_up(values, self._table())
        # A single mask is not enough: 255 may mark its ignored pixels.
        if self.labels.ids is None and self._holds_white_alone(values) and self._asked(is_white_the_object):
            return (values == 255).astype(np.uint8)
        if not known.all():
            raise self._unknown_values(values[~known], path)
        return found

    def _table(self) -> Mapping[int, int]:
        """The class id of each value."""
        if self.labels.ids is not None:
            return self.labels.ids
        return {value: value for value in (*range(len(self.labels.names)), self.labels.ignore_index)}

    def _holds_white_alone(self, values: Array) -> bool:
        """Whether a binary mask holds 255, and nothing else but 0."""
        white = values == 255
        return self.labels.classes == 1 and bool(white.any()) and not values[~white].any()

    def _asked(self, question: Question) -> bool:
        """The answer to a question about all masks, which is asked only once; other threads wait for it."""
        with self._deciding:
            if question not in self._answers:
                try:
                    self._answers[question] = question(self._files())
                except DataError as error:
                    self._answers[question] = error
        answer = self._answers[question]
        if isinstance(answer, DataError):
            raise DataError(str(answer), answer.path, answer.kind)
        return answer

    def _unknown_values(self, unknown: Array, path: Path) -> DataError:
        values = np.unique(unknown)
        if self.labels.ids is not None:
            expected = 'those in the "ids" of classes.json. Add them there'
        else:
            names, count = self.labels.names, len(self.labels.names)
            expected = (
                f"class ids 0 to {count - 1} ({_listed(names)}) or {self.labels.ignore_index} (ignored). Say in "
                f'classes.json what other values mean, such as "ids": {{"{values[0]}": "{names[-1]}"}}, each value '
                "with its class or null (ignored)"
            )
        if len(self.labels.names) == 2 and len(values) > _MOST_UNSMOOTHED:
            expected += '; or, if edges are smoothed or compressed, "threshold": 128 (the least value of the object)'
        message = f"Mask {path} contains the values {_listed(values)}; expected {expected}."
        return DataError(message, path, "mask of unknown values")


def _listed(items: Iterable[object]) -> str:
    listed = [str(item) for item in items]
    return ", ".join(listed[:_MOST_LISTED]) + (", ..." if len(listed) > _MOST_LISTED else "")


def _looked_up(values: Array, table: Mapping[int, int]) -> tuple[UInt8Array, Array]:
    """What `table` has for each value, and whether it has anything."""
    keys = np.array(sorted(table), np.int64)
    results = np.array([table[key] for key in sorted(table)], np.uint8)
    if values.dtype in (np.uint8, np.uint16):
        # One entry for each possible value is faster than searching.
        known = np.isin(np.arange(_GREY_VALUES), keys)
        every = np.zeros(_GREY_VALUES, np.uint8)
        inside = keys < _GREY_VALUES
        every[keys[inside]] = results[inside]
        return every[values], known[values]
    places = np.minimum(np.searchsorted(keys, values), len(keys) - 1)
    return results[places], keys[places] == values


def _is_grey(samples: Array) -> bool:
    return samples.shape[2] == 3 and bool((samples == samples[..., :1]).all())


def _brightness(stored: Stored) -> Array:
    samples = stored.pixels if stored.palette is None else stored.palette[stored.pixels[..., 0]]
    colors = samples[..., :-1] if stored.alpha else samples
    return brightness(colors) if colors.shape[2] == 3 else colors[..., 0]


def _color(row: UInt8Array) -> Color:
    red, green, blue = row.tolist()
    return red, green, blue


def _pack(color: Color) -> int:
    return color[0] << 16 | color[1] << 8 | color[2]


def _packed(samples: Array) -> Array:
    red, green, blue = (samples[..., channel].astype(np.int64) for channel in range(3))
    return red << 16 | green << 8 | blue


def _listed_colors(packed: Array) -> str:
    colors, counts = np.unique(packed, return_counts=True)
    order = np.argsort(-counts)[:_MOST_LISTED]
    listed = ", ".join(f"#{colors[place]:06x} ({counts[place]} pixels)" for place in order)
    return f"{listed}, ... ({len(colors)} in all)" if len(colors) > _MOST_LISTED else listed


def _unknown_palette(indices: Array, palette: UInt8Array, path: Path) -> DataError:
    return DataError(
        f"Mask {path} has a palette that does not tell whether its values are class ids: "
        f"{listed_palette(indices, palette)}. "
        'Say in classes.json which colour each class has, "colors": ["#rrggbb", ...], one for each class in the same '
        'order, or what each value means, "ids": {"0": NAME, ...}.',
        path,
        "mask with a palette",
    )


def _inexact(file_format: str, path: Path) -> DataError:
    return DataError(
        f"Mask {path} is a {file_format} file, whose compression changes values; expected PNG, TIFF or BMP. Save masks "
        'without loss, or, with two classes, set "threshold": 128 in classes.json (the least value of the object).',
        path,
        "mask in a format with losses",
    )
