"""Numbers and lists in words."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from search.system.wording import billions, cell, duration, listed, mebibytes, millions, plural, rounded, short, signed


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.4, "0 s"),
        (59.4, "59 s"),
        (59.6, "1 min 00 s"),
        (200, "3 min 20 s"),
        (3599.6, "1 h 00 min"),
        (7500, "2 h 05 min"),
    ],
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_counts_and_sizes() -> None:
    assert [short(number) for number in (999, 1234, 17_830_209, 1.46e9)] == ["999", "1.23 k", "17.8 M", "1.46 G"]
    assert (millions(604_123), billions(1_463_000_000), mebibytes(12.4 * 2**20)) == ("0.60 M", "1.46 G", "12 MiB")
    assert billions(1234.5e9) == "1,234.50 G"


def test_scores_and_their_differences() -> None:
    assert (rounded(0.71234), signed(0.01234), signed(-0.5)) == ("0.7123", "+0.0123", "-0.5000")


def test_plurals() -> None:
    assert [plural(count, "trial") for count in (0, 1, 2, 1000)] == ["0 trials", "1 trial", "2 trials", "1,000 trials"]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""),
        (math.nan, ""),
        (True, "yes"),
        (np.bool_(False), "no"),
        (9999, "9999"),
        (np.int64(10_000), "10,000"),
        (0.0, "0"),
        (0.123456, "0.1235"),
        (np.float32(0.5), "0.5"),
        (0.000123456, "0.000123"),
        ("stage4", "stage4"),
    ],
)
def test_cells(value: Any, text: str) -> None:
    assert cell(value) == text


def test_long_lists_are_cut_off() -> None:
    assert listed(["a", "b"], most=2) == "a, b"
    assert listed(["a", "b", "c", "d"], most=2) == "a, b and 2 more"
