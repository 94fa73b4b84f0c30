"""Images and masks that are decoded and resized once: memory-mapped bytes, shared by every process that opens them.

A cache is a folder of `SPLIT.images.npy` (uint8 [N, H, W, 3]) and `SPLIT.masks.npy` (uint8 [N, H, W]), with the first N
images of each split. Its name identifies the data and their size. It is built under another name and renamed when it is
complete, so a folder with the final name is never a partial cache.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.lib.format import open_memmap

from datasets.cores import usable_cores
from datasets.dataset import Dataset, Progress, Sample, UInt8Array
from datasets.images import resize_image, resize_mask

_SPLITS = ("train", "val")
_BYTES_A_PIXEL = 4
_CHUNK = 64


class _Arrays(NamedTuple):
    images: UInt8Array
    masks: UInt8Array


class CachedDataset(Dataset):
    """A dataset whose first images come resized from a cache; all others are read from the source and resized.

    Args:
        source: the dataset from which the cache was built.
        arrays: images [N, H, W, 3] and masks [N, H, W] of each cached split, at the source's `image_size`.
    """

    def __init__(self, source: Dataset, arrays: Mapping[str, _Arrays]) -> None:
        super().__init__(
            image_size=source.image_size,
            class_names=source.class_names,
            classes=source.classes,
            ignore_index=source.ignore_index,
        )
        self._source = source
        self._arrays = arrays

    def length(self, split: str) -> int:
        """Number of images in `split`, cached or not."""
        return self._source.length(split)

    def read(self, split: str, index: int) -> Sample:
        """The image and mask at `index` of `split`, at `image_size`. Raises the same errors as the source."""
        if split in self._arrays and 0 <= index < len(self._arrays[split].images):
            images, masks = self._arrays[split]
            return Sample(images[index], masks[index], f"{split}_{index}")
        sample = self._source.read(split, index)
        return _resized(sample, self.image_size)

    @property
    def counts(self) -> dict[str, int]:
        """Number of cached images in each split."""
        return {split: len(arrays.images) for split, arrays in self._arrays.items()}

    def fingerprint(self) -> str:
        """The source's fingerprint."""
        return self._source.fingerprint()


def cache_folder(parent: Path, fingerprint: str, image_size: tuple[int, int]) -> Path:
    """The folder in `parent` for the cache of the data with this fingerprint at this size."""
    height, width = image_size
    return parent / f"{fingerprint}-{height}x{width}"


def open_cache(folder: Path, source: Dataset) -> CachedDataset | None:
    """`source` with the images of the cache in `folder`; None if there is none or it does not match `source`."""
    try:
        arrays = {split: _load(folder, split) for split in _SPLITS if _file(folder, split, "images").exists()}
    except (OSError, ValueError):  # damaged by a full disk or by hand
        return None
    fits = all(_fits(found, source.length(split), source.image_size) for split, found in arrays.items())
    return CachedDataset(source, arrays) if arrays and fits else None


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
    room = int(max_bytes // bytes_an_image(source))
    counts = {}
    for split in _SPLITS:
        counts[split] = min(room, source.length(split))
        room -= counts[split]
    return {split: count for split, count in counts.items() if count}


def bytes_an_image(source: Dataset) -> int:
    """Size of an image and its mask in a cache."""
    height, width = source.image_size
    return height * width * _BYTES_A_PIXEL


def _fill(folder: Path, source: Dataset, split: str, count: int) -> Iterator[None]:
    """Write a split's arrays; yield after each image."""
    size = source.image_size
    images = open_memmap(_file(folder, split, "images"), "w+", np.uint8, (count, *size, 3))
    masks = open_memmap(_file(folder, split, "masks"), "w+", np.uint8, (count, *size))

    def read(index: int) -> None:
        images[index], masks[index], _ = _resized(source.read(split, index), size)

    with ThreadPoolExecutor(usable_cores()) as pool:
        # In chunks, so that an interruption does not have to wait for everything in the queue.
        for start in range(0, count, _CHUNK):
            yield from pool.map(read, range(start, min(count, start + _CHUNK)))
    for array in (images, masks):
        array.flush()


def _resized(sample: Sample, size: tuple[int, int]) -> Sample:
    return Sample(resize_image(sample.image, size), resize_mask(sample.mask, size), sample.name)


def _load(folder: Path, split: str) -> _Arrays:
    return _Arrays(*(np.asarray(np.load(_file(folder, split, kind), mmap_mode="r")) for kind in ("images", "masks")))


def _fits(arrays: _Arrays, length: int, size: tuple[int, int]) -> bool:
    images, masks = arrays
    count = min(len(images), length)
    return (
        images.dtype == masks.dtype == np.uint8 and images.shape == (count, *size, 3) and masks.shape == (count, *size)
    )


def _file(folder: Path, split: str, kind: str) -> Path:
    return folder / f"{split}.{kind}.npy"
