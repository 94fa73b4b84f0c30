"""Numbers and lists as people read them: the one place for all terminals, tables, pages and messages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def duration(seconds: float) -> str:
    """A time: 48 s, 3 min 20 s, 2 h 05 min."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def short(number: float) -> str:
    """A count with three digits: 17.8 M, 1.23 G."""
    for unit, size in (("T", 1e12), ("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if number >= size:
            return f"{number / size:.3g} {unit}"
    return f"{number:.0f}"


def quantity(value: float, unit: str) -> str:
    """A measured value with its unit: 12.30 ms."""
    return f"{value:,.2f} {unit}"


def millions(count: float) -> str:
    """A number of parameters: 0.60 M."""
    return quantity(count / 1e6, "M")


def billions(count: float) -> str:
    """A number of multiply-accumulates: 1.46 G."""
    return quantity(count / 1e9, "G")


def mebibytes(count: float) -> str:
    """A size in memory or on disk: 12 MiB."""
    return f"{count / 2**20:,.0f} MiB"


def rounded(value: float) -> str:
    """A metric with the digits that are worth comparing: 0.7123."""
    return f"{value:.4f}"


def signed(value: float) -> str:
    """The distance between two scores, with its sign: +0.0123."""
    return f"{value:+.4f}"


def plural(count: int, noun: str) -> str:
    """A count of things: 1 trial, 2 trials."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def cell(value: Any) -> str:
    """A value of any kind in a table: None and NaN are empty, true is yes, numbers are short."""
    # numpy's scalars are not Python's: `np.int64` is not an `int`.
    value = value.item() if hasattr(value, "item") else value
    if value is None or value != value:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}" if abs(value) >= 10_000 else str(value)
    if isinstance(value, float):
        return f"{value:.4g}" if abs(value) >= 1e-3 or value == 0 else f"{value:.3g}"
    return str(value)


def listed(names: Sequence[str], most: int) -> str:
    """Names side by side, cut off where there are many: a, b, c and 4 more."""
    more = len(names) - most
    return ", ".join(names[:most]) + (f" and {more:,} more" if more > 0 else "")
