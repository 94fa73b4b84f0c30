"""Images that occur in two splits, as they are or nearly so: scores on them are too good."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations

import numpy as np
import numpy.typing as npt

from datasets.gathering import SplitGathering
from datasets.statistics import Problem

# Bits in which the hashes of images that look alike may differ; of unrelated photos about half of the 64 do.
_MOST_DIFFERENCES = 4
# A hash with fewer ones, or fewer zeros, is that of a nearly flat image, and says nothing.
_FEWEST_BITS = 8
# Pairs that are compared at a time.
_BLOCK = 2**22


def find_leaks(splits: Sequence[SplitGathering]) -> Iterator[Problem]:
    """One problem for each pair of splits that share images, and one for each that have images that look alike."""
    for first, second in combinations(splits, 2):
        same = _identical(first, second)
        if same:
            count = f"{len(same)} image{'s are' if len(same) > 1 else ' is'}"
            yield Problem(
                "warning",
                f"{count} in both {first.split} and {second.split} (such as {same[0][0]} = {same[0][1]}): scores on "
                f"{second.split} will be too good. Remove one of each pair.",
            )
        known = {name for _, name in same}
        alike = [pair for pair in _alike(first, second) if pair[1] not in known]
        if alike:
            count = f"{len(alike)} image{'s' if len(alike) > 1 else ''} of {second.split} look{'s' * (len(alike) == 1)}"
            examples = ", ".join(f"{name} like {other}" for other, name in alike[:3])
            yield Problem(
                "warning",
                f"{count} nearly like an image of {first.split} (such as {examples}): scores on {second.split} may be "
                "too good. Keep images of one scene in one split; [data] split does so by its `group`.",
            )


def _identical(first: SplitGathering, second: SplitGathering) -> list[tuple[str, str]]:
    """Names of images in two splits with the same pixels, a pair for each image of `second`."""
    names = dict(zip(first.digests, first.names, strict=True))
    pairs = zip(second.digests, second.names, strict=True)
    return [(names[digest], name) for digest, name in pairs if digest in names]


def _alike(first: SplitGathering, second: SplitGathering) -> list[tuple[str, str]]:
    """Names of images in two splits that look alike, a pair for each image of `second`."""
    (places, hashes), (other_places, others) = _telling(first), _telling(second)
    pairs = []
    step = max(1, _BLOCK // max(1, len(hashes)))
    for start in range(0, len(others) if len(hashes) else 0, step):
        block = others[start : start + step]
        differences = np.bitwise_count(hashes[:, None] ^ block[None])
        nearest = differences.argmin(axis=0)
        close = differences[nearest, np.arange(len(block))] <= _MOST_DIFFERENCES
        pairs += [
            (first.names[places[nearest[place]]], second.names[other_places[start + place]])
            for place in np.flatnonzero(close)
        ]
    return pairs


def _telling(split: SplitGathering) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.uint64]]:
    """The images whose hashes say something, as indices, and these hashes."""
    hashes = np.frombuffer(split.fingerprints, np.uint64) if split.names else np.zeros(0, np.uint64)
    bits = np.bitwise_count(hashes)
    places = np.flatnonzero((bits >= _FEWEST_BITS) & (bits <= 64 - _FEWEST_BITS))
    return places, hashes[places]
