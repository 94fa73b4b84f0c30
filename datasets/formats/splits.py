"""Splits of data that come without them: seeded, with every class in each of them, and without tearing groups apart."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from datasets.cores import usable_cores
from datasets.dataset import DataError
from datasets.formats.format import SplitSettings

# The key of samples that belong to no split yet.
UNSPLIT = ""

_NAMED = 3
_PURPOSE = 0x5B117  # so that the same seed gives other numbers here than elsewhere

Counts = npt.NDArray[np.int64]
Presence = Callable[[int], npt.NDArray[np.bool_]]


class _Unit(NamedTuple):
    """Samples that stay together, by their places, and how many of them hold each class."""

    places: list[int]
    holds: Counts


def split_shares(settings: SplitSettings) -> dict[str, float]:
    """The share of each split that is made."""
    shares = {"train": 1 - settings.val - settings.test, "val": settings.val, "test": settings.test}
    return {split: share for split, share in shares.items() if share > 0}


def make_splits(
    names: Sequence[str],
    settings: SplitSettings,
    seed: int,
    presence: Presence,
    groups: Sequence[str] | None = None,
) -> dict[str, list[int]]:
    """Which samples belong to train, val and test.

    Iterative stratification (Sechidis et al. 2011, "On the Stratification of Multi-Label Data", figure 1): the samples
    of the rarest class are dealt out first, each to the split that lacks most of that class. Samples of a group are
    dealt out together. A class reaches each split as long as there are enough groups that hold it. The result depends
    on the names, the classes and the seed, not on the order of the samples.

    Args:
        names: of the samples, all different.
        settings: shares, and the pattern of groups.
        seed: not negative.
        presence: whether a sample, by its place in `names`, holds each class `[C]`; asked once of each, in threads.
        groups: the group of each sample, instead of the pattern.

    Returns:
        The places in `names` of each split's samples, in the order of their names.

    Raises:
        DataError: the pattern matches no name, or a split would be empty.
    """
    shares = split_shares(settings)
    together = _grouped(names, _pattern_groups(names, settings.group) if groups is None else groups)
    if len(together) < len(shares):
        what = "images" if settings.group is None and groups is None else "groups of images"
        raise DataError(
            f"[data] split: {len(together)} {what} cannot make {len(shares)} splits ({', '.join(shares)}), each of "
            "which needs at least one."
        )
    with ThreadPoolExecutor(usable_cores()) as pool:
        held = list(pool.map(presence, range(len(names))))
    units = [_Unit(places, np.sum([held[place] for place in places], axis=0, dtype=np.int64)) for places in together]
    order = np.random.default_rng([seed, _PURPOSE]).permutation(len(units))
    dealt = _Dealing(shares, [units[place] for place in order]).deal()
    return {
        split: sorted((place for unit in dealt[split] for place in unit.places), key=names.__getitem__)
        for split in shares
    }


def _pattern_groups(names: Sequence[str], pattern: str | None) -> list[str]:
    """The text that the pattern matches in each name (its first group, if it has one); the name itself elsewhere."""
    if pattern is None:
        return list(names)
    found = [re.search(pattern, name) for name in names]
    if not any(found):
        raise DataError(
            f"[data] split: group = {pattern!r} matches no image; images are named {', '.join(names[:_NAMED])}, ..."
        )
    return [
        name if match is None else match[1 if match.re.groups else 0] for name, match in zip(names, found, strict=True)
    ]


def _grouped(names: Sequence[str], groups: Sequence[str]) -> list[list[int]]:
    """The places of each group, in the order of the groups' first names."""
    together: dict[str, list[int]] = defaultdict(list)
    for place in sorted(range(len(names)), key=names.__getitem__):
        together[groups[place]].append(place)
    return list(together.values())


class _Dealing:
    """Deals units out to splits, in the given order where nothing else decides."""

    def __init__(self, shares: Mapping[str, float], units: Sequence[_Unit]) -> None:
        self._splits = list(shares)
        # Larger groups first, since they are harder to place.
        self._left = sorted(units, key=lambda unit: -len(unit.places))
        share = np.array(list(shares.values()))[:, None]
        # What each split still lacks: of each class, and in the last column of all samples.
        self._lacks = share * np.append(
            np.sum([unit.holds for unit in units], axis=0), sum(len(u.places) for u in units)
        )
        self._has = np.zeros(self._lacks.shape, np.int64)
        self._dealt: dict[str, list[_Unit]] = {split: [] for split in shares}

    def deal(self) -> dict[str, list[_Unit]]:
        while True:
            counts = np.sum([unit.holds > 0 for unit in self._left], axis=0) if self._left else np.zeros(1)
            if not counts.any():
                break
            rarest = int(np.argmin(np.where(counts > 0, counts, np.iinfo(np.int64).max)))
            holders = [unit for unit in self._left if unit.holds[rarest]]
            self._left = [unit for unit in self._left if not unit.holds[rarest]]
            for number, unit in enumerate(holders):
                self._give(unit, rarest, len(holders) - number)
        for number, unit in enumerate(self._left):
            self._give(unit, -1, len(self._left) - number)
        return self._dealt

    def _give(self, unit: _Unit, column: int, left: int) -> None:
        """Give a unit to the split that lacks most of a column, or that has none of it when only enough are left."""
        without = np.flatnonzero(self._has[:, column] == 0)
        candidates = without if len(without) > 0 and left <= len(without) else np.arange(len(self._splits))
        lacks = self._lacks[candidates]
        chosen = int(candidates[np.lexsort((lacks[:, -1], lacks[:, column]))[-1]])
        amounts = np.append(unit.holds, len(unit.places))
        self._lacks[chosen] -= amounts
        self._has[chosen] += amounts
        self._dealt[self._splits[chosen]].append(unit)
