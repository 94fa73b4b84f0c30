"""Images and masks that are decoded and framed once: memory-mapped bytes, shared by every process that opens them.

A cache is a folder with the first N images of each split (see `datasets.cache_files`). Its name identifies the data and
their framing. It is built under another name and renamed when it is complete, so a folder with the final name is never
a partial cache.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from pathlib import Path

import numpy as np

from datasets.cache_files import CachedSplit, FixedSplit, Framed, MixedSplit
from datasets.cores import usable_cores
from datasets.dataset import Dataset, Progress, Sample, UInt8Array
from datasets.framing import Framing

_SPLITS = ("train", "val")
_CHUNK = 64
# Images whose sizes stand for those of all.
_SAMPLED = 16


class CachedDataset(Dataset):
    """A dataset whose images come framed: the first ones from a cache, all others from the source.

    Args:
        source: the dataset from which the cache was built.
        cached: the cached images of each split, in the source's `framing`.
    """

    def __init__(self, source: Dataset, cached: Mapping[str, CachedSplit]) -> None:
        super().__init__(
            framing=source.framing,
            class_names=source.class_names,
            classes=source.classes,
            ignore_index=source.ignore_index,
            channels=source.channels,
            mirror=source.mirror,
        )
        self._source = source
        self._cached = cached

    def length(self, split: str) -> int:
        """Number of images in `split`, cached or not."""
        return self._source.length(split)

    def read(self, split: str, index: int) -> Sample:
        """The image and mask at `index` of `split`, framed. Raises the same errors as the source."""
        if split in self._cached and 0 <= index < len(self._cached[split]):
            image, mask = self._cached[split].read(index)
            return Sample(image, mask, f"{split}_{index}")
        return self._source.read_framed(split, index)

    def read_framed(self, split: str, index: int) -> Sample:
        """The same: what is framed is not framed again."""
        return self.read(split, index)

    @property
    def counts(self) -> dict[str, int]:
        """Number of cached images in each split."""
        return {split: len(cached) for split, cached in self._cached.items()}

    def fingerprint(self) -> str:
        """The source's fingerprint."""
        return self._source.fingerprint()


def cache_folder(parent: Path, fingerprint: str, framing: Framing) -> Path:
    """The folder in `parent` for the cache of the data with this fingerprint in this framing."""
    height, width = framing.image_size
    kinds = {"stretch": "", "pad": "-pad", "crop": f"-whole-{framing.scale:g}"}
    # Whole images do not depend on the size of the crops; but the name says what the cache is for.
    return parent / f"{fingerprint}-{height}x{width}{kinds[framing.resize]}"


def open_cache(folder: Path, source: Dataset) -> CachedDataset | None:
    """`source` with the images of the cache in `folder`; None if there is none or it does not match `source`."""
    try:
        cached = {split: _open_split(folder, split, source) for split in _SPLITS if _has_split(folder, split)}
    except (OSError, ValueError):  # damaged by a full disk or by hand
        return None
    # A cache may hold the first images alone, but never more than the source has.
    fits = all(len(found) <= source.length(split) for split, found in cached.items())
    return CachedDataset(source, cached) if cached and fits else None


def build_cache(folder: Path, source: Dataset, max_bytes: float, progress: Progress | None = None) -> Dataset:
    """`source` with the cache in `folder`, which is built on all cores if it is missing or has another extent.

    Args:
        folder: from `cache_folder`.
        source: the dataset to cache.
        max_bytes: images beyond this size are left out, and read from `source` whenever they are needed.
        progress: called with (images done, images in total).

    Raises:
        DataError: an image cannot be read.
        OSError: the cache cannot be written.
    """
    counts = cached_counts(source, max_bytes)
    found = open_cache(folder, source)
    if found is not None and found.counts == counts:
        return found
    partial = folder.with_name(f"partial-{folder.name}")
    # One that a kill left unfinished, and one that holds more or fewer images.
    for stale in (partial, folder):
        shutil.rmtree(stale, ignore_errors=True)
    if not counts:
        return source
    partial.mkdir(parents=True)
    filled = (_fill(partial, source, split, count) for split, count in counts.items())
    for done, _ in enumerate(chain.from_iterable(filled), 1):
        if progress is not None:
            progress(done, sum(counts.values()))
    partial.rename(folder)
    built = open_cache(folder, source)
    if built is None:
        raise OSError(f"the cache in {folder} cannot be read back")
    return built


def cached_counts(source: Dataset, max_bytes: float) -> dict[str, int]:
    """Number of images of each split that fit into a cache of `max_bytes`, training images first."""
    room = int(max_bytes // bytes_per_image(source))
    counts = {}
    for split in _SPLITS:
        counts[split] = min(room, source.length(split))
        room -= counts[split]
    return {split: count for split, count in counts.items() if count}


def bytes_per_image(source: Dataset) -> int:
    """Mean size of an image and its mask in a cache; of images of different sizes, that of some of them."""
    values = source.channels + 1
    if source.framing.is_whole:
        height, width = source.framing.image_size
        return height * width * values
    places = [(split, index) for split in _SPLITS for index in range(source.length(split))]
    spread = {round(place) for place in np.linspace(0, len(places) - 1, min(_SAMPLED, len(places)))}
    sizes = [source.framing.content(_size(source.read(*places[place]).mask)) for place in sorted(spread)]
    return max(1, round(sum(height * width for height, width in sizes) / max(1, len(sizes))) * values)


def _fill(folder: Path, source: Dataset, split: str, count: int) -> Iterator[None]:
    """Write a split's files; yield after each image."""
    write = FixedSplit.write if source.framing.is_whole else MixedSplit.write
    return write(folder, split, _read_all(source, split, count), count)


def _read_all(source: Dataset, split: str, count: int) -> Iterator[Framed]:
    """The first images of a split, framed by several threads, in order."""

    def read(index: int) -> Framed:
        image, mask, _ = source.read_framed(split, index)
        return Framed(image, mask)

    with ThreadPoolExecutor(usable_cores()) as pool:
        # In chunks, so that an interruption does not have to wait for everything in the queue.
        for start in range(0, count, _CHUNK):
            yield from pool.map(read, range(start, min(count, start + _CHUNK)))


def _open_split(folder: Path, split: str, source: Dataset) -> CachedSplit:
    if source.framing.is_whole:
        return FixedSplit(folder, split, source.framing, source.channels)
    return MixedSplit(folder, split, source.channels)


def _has_split(folder: Path, split: str) -> bool:
    return any(folder.glob(f"{split}.*"))


def _size(mask: UInt8Array) -> tuple[int, int]:
    return mask.shape[0], mask.shape[1]
