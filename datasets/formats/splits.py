"""Splits of data that come without them: seeded, with every class in each of them, and without tearing groups apart."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import numpy.typing as npt

from datasets.cores import usable_cores
from datasets.dataset import DataError, Progress
from datasets.formats.format import SplitSettings

# The key of samples that belong to no split yet.
UNSPLIT = ""

_NAMED = 3
_CHUNK = 256
_PURPOSE = 0x5B117  # so that the same seed gives other numbers here than elsewhere

Counts = npt.NDArray[np.int64]
Presence = Callable[[int], npt.NDArray[np.bool_]]


def split_shares(settings: SplitSettings) -> dict[str, float]:
    """The share of each split that is made."""
    shares = {"train": 1 - settings.val - settings.test, "val": settings.val, "test": settings.test}
    return {split: share for split, share in shares.items() if share > 0}


def check_assigned(assigned: Mapping[str, str], names: Sequence[str], source: object) -> None:
    """Raises DataError unless splits were made of exactly these samples; `source` says where they are."""
    changed = sorted(assigned.keys() ^ set(names))
    if changed:
        raise DataError(
            f"The data in {source} have changed since splits were made of them: {changed[0]} is "
            f"{'missing' if changed[0] in assigned else 'new'}. Restore them."
        )


def make_splits(
    names: Sequence[str],
    settings: SplitSettings,
    presence: Presence,
    groups: Sequence[str] | None = None,
    progress: Progress | None = None,
) -> dict[str, str]:
    """Which samples belong to train, val and test.

    Iterative stratification (Sechidis et al. 2011, "On the Stratification of Multi-Label Data", figure 1): the samples
    of the rarest class are dealt out first, each to the split that lacks most of that class. Samples of a group are
    dealt out together. Unlike in the paper, a full split gets no more, so that sizes come out as the shares say; the
    last samples of a class go to splits that have none of it; and what still lacks a class gets it in exchange for
    another sample, if there is one to spare. The result depends on the names, the classes and the seed, not on the
    order of the samples.

    Args:
        names: of the samples, all different.
        settings: shares, seed, and the pattern of groups.
        presence: whether a sample, by its place in `names`, holds each class `[C]`; asked once of each, in threads.
        groups: the group of each sample, instead of the pattern; "" for a sample that is a group of its own.
        progress: called with (samples whose classes are known, samples in total).

    Returns:
        The split of each sample, by name.

    Raises:
        DataError: the pattern matches no name, or a split would be empty.
    """
    shares = split_shares(settings)
    if groups is None:
        groups = [""] * len(names) if settings.group is None else _pattern_groups(names, settings.group)
    by_name = sorted(range(len(names)), key=names.__getitem__)
    together = _grouped(by_name, names, groups)
    if len(together) < len(shares):
        raise _too_few([names[place] for place in by_name], len(together), list(shares))
    order = np.random.default_rng([settings.seed, _PURPOSE]).permutation(len(together))
    unit_of = np.empty(len(names), np.int64)
    # Larger groups first, since they are harder to place; those of one size in random order.
    for unit, place in enumerate(sorted(order, key=lambda place: -len(together[place]))):
        unit_of[together[place]] = unit
    dealt = _Dealing(list(shares.values()), _amounts(unit_of, presence, progress)).deal()[unit_of]
    splits = list(shares)
    return {names[place]: splits[dealt[place]] for place in by_name}


def _pattern_groups(names: Sequence[str], pattern: str) -> list[str]:
    """What the pattern finds in each name: its group 1 if that takes part, else the whole match; "" for no match."""
    found = [re.search(pattern, name) for name in names]
    if not any(found):
        raise DataError(f"[data] split: group = {pattern!r} matches no image; images are named {_some(sorted(names))}.")
    return ["" if match is None else (match.re.groups and match[1]) or match[0] for match in found]


def _grouped(by_name: Sequence[int], names: Sequence[str], groups: Sequence[str]) -> list[list[int]]:
    """The places of each group, in the order of the groups' first names."""
    together: dict[tuple[str, str], list[int]] = defaultdict(list)
    for place in by_name:
        group = groups[place]
        together[group, "" if group else names[place]].append(place)
    return list(together.values())


def _too_few(names: Sequence[str], units: int, splits: Sequence[str]) -> DataError:
    """The error for fewer images or groups than splits."""
    has_groups = units < len(names)
    found = f"{len(names)} image{'s' * (len(names) != 1)} ({_some(names)})"
    found += f" in {units} group{'s' * (units != 1)}" * has_groups
    return DataError(
        f"[data] split: {found} cannot make {len(splits)} splits ({', '.join(splits)}), each of which needs at least "
        f"one {'group' if has_groups else 'image'}."
    )


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:_NAMED]) + ", ..." * (len(names) > _NAMED)


def _amounts(unit_of: Counts, presence: Presence, progress: Progress | None) -> Counts:
    """How many samples of each unit hold each class, and in the last column how many it has `[units, C + 1]`."""
    held = np.stack([np.append(classes, True) for classes in _asked(presence, len(unit_of), progress)])
    amounts = np.zeros((unit_of.max() + 1, held.shape[1]), np.int64)
    np.add.at(amounts, unit_of, held)
    return amounts


def _asked(presence: Presence, count: int, progress: Progress | None) -> Iterator[npt.NDArray[np.bool_]]:
    with ThreadPoolExecutor(usable_cores()) as pool:
        # In chunks, so that an interruption does not have to wait for everything in the queue.
        for start in range(0, count, _CHUNK):
            end = min(count, start + _CHUNK)
            yield from pool.map(presence, range(start, end))
            if progress is not None:
                progress(end, count)


class _Dealing:
    """Deals units out to splits, in the given order where nothing else decides.

    Args:
        shares: of the splits.
        amounts: how many samples of each unit hold each class, and how many it has `[units, C + 1]`.
    """

    def __init__(self, shares: Sequence[float], amounts: Counts) -> None:
        self._amounts = amounts
        # Of each class, and in the last column of all samples.
        self._lacks = np.outer(shares, amounts.sum(axis=0))
        self._has = np.zeros(self._lacks.shape, np.int64)
        self._splits = np.full(len(amounts), -1)
        self._left = len(amounts)

    def deal(self) -> Counts:
        """The split of each unit."""
        holds = self._amounts > 0
        counts = holds.sum(axis=0)
        while self._left:
            # Every unit that is left counts in the last column, so that it comes last: for units without a class.
            column = int(np.argmin(np.where(counts > 0, counts, len(holds) + 1)))
            holders = np.flatnonzero(holds[:, column] & (self._splits < 0))
            for number, unit in enumerate(holders):
                self._give(int(unit), column, len(holders) - number)
            counts -= holds[holders].sum(axis=0)
        for split, column in np.argwhere(self._has == 0):
            if not self._has[split, column] and holds[:, column].sum() >= len(self._has):
                self._exchange_for(int(split), int(column))
        return self._splits

    def _give(self, unit: int, column: int, holders: int) -> None:
        """Give a unit, one of the last `holders` of a column, to the split that lacks most of that column."""
        amounts = self._amounts[unit]
        candidates = self._candidates(int(amounts[-1]), column, holders)
        lacks = self._lacks[candidates]
        chosen = int(candidates[np.lexsort((lacks[:, -1], lacks[:, column]))[-1]])
        self._splits[unit] = chosen
        self._lacks[chosen] -= amounts
        self._has[chosen] += amounts
        self._left -= 1

    def _candidates(self, size: int, column: int, holders: int) -> Counts:
        """The splits that a unit of `size` may go to."""
        empty = np.flatnonzero(self._has[:, -1] == 0)
        if self._left <= len(empty):
            return empty
        lacks = self._lacks[:, -1]
        # Where at least half of the unit fits, if it does anywhere: so each split ends within a unit of its share.
        room = np.flatnonzero(lacks >= min(size / 2, lacks.max()))
        without = room[self._has[room, column] == 0]
        return without if len(without) > 0 and holders <= len(without) else room

    def _exchange_for(self, split: int, column: int) -> None:
        """Bring a column to a split that has none of it, for a unit of the same size, where no split loses a class."""
        for unit in np.flatnonzero(self._amounts[:, column]):
            there, amounts = self._splits[unit], self._amounts[unit]
            others = np.flatnonzero((self._splits == split) & (self._amounts[:, -1] == amounts[-1]))
            gains = amounts - self._amounts[others]  # of `split`, and the losses of `there`
            kept = (self._has[split] + gains > 0) | (self._has[split] == 0)
            kept &= (self._has[there] - gains > 0) | (self._has[there] == 0)
            exchangeable = np.flatnonzero(kept.all(axis=1))
            if len(exchangeable):
                place = exchangeable[0]
                self._splits[unit], self._splits[others[place]] = split, there
                self._has[split] += gains[place]
                self._has[there] -= gains[place]
                return
