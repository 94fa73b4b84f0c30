"""What is kept of one image and its mask when data are checked: few numbers, however large the image is."""

from __future__ import annotations

import hashlib
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image

from datasets.dataset import Dataset, Sample, UInt8Array
from datasets.framing import Framing
from datasets.resizing import resize_mask

Counts = npt.NDArray[np.int64]

# Objects are told apart in masks up to this size, in pixels: it takes several times the memory of the mask.
_MOST_PIXELS = 2**24


class Objects(NamedTuple):
    """Connected areas of each class `[C]`: their number and pixels, and those of the ones left at the size trained."""

    number: Counts
    pixels: Counts
    kept: Counts
    kept_pixels: Counts


class Look(NamedTuple):
    """What is kept of one image.

    Attributes:
        name: of the sample.
        size: (height, width) as stored.
        counts: pixels of each value of the mask, `[256]`.
        kept: whether each class occurs at the size trained, `[C]`.
        edges: pairs of neighbouring pixels that separate each class from others, `[C]`.
        objects: None where they were not told apart.
        digest: of the pixels, because two files may store the same image in different ways.
        fingerprint: nearly the same for images that look the same (see `difference_hash`).
    """

    name: str
    size: tuple[int, int]
    counts: Counts
    kept: npt.NDArray[np.bool_]
    edges: Counts
    objects: Objects | None
    digest: bytes
    fingerprint: int


def look_at(dataset: Dataset, split: str, index: int, *, objects: bool) -> Look:
    """Read one image and its mask; with `objects`, tell the objects apart.

    Raises:
        DataError: one of them cannot be read, or they do not fit together.
    """
    sample = dataset.read(split, index)
    count = len(dataset.class_names)
    size = (sample.mask.shape[0], sample.mask.shape[1])
    trained = resize_mask(sample.mask, dataset.framing.content(size))
    return Look(
        name=sample.name,
        size=size,
        counts=np.bincount(sample.mask.ravel(), minlength=256),
        kept=np.bincount(trained.ravel(), minlength=256)[:count] > 0,
        edges=_edges(sample.mask, count),
        objects=_objects(sample, dataset.framing, count) if objects and sample.mask.size <= _MOST_PIXELS else None,
        digest=hashlib.blake2b(np.ascontiguousarray(sample.image).data, digest_size=16).digest(),
        fingerprint=difference_hash(sample.image),
    )


def difference_hash(image: UInt8Array) -> int:
    """64 bits, of which images that look alike share nearly all: is each of 8 x 9 cells brighter than the one before?

    Krawetz, "Kind of Like That" (2013), known as dHash.
    """
    grey = Image.fromarray(np.ascontiguousarray(image[..., :3] if image.shape[-1] >= 3 else image[..., 0])).convert("L")
    cells = np.asarray(grey.resize((9, 8), Image.Resampling.BILINEAR))
    return int.from_bytes(np.packbits(cells[:, 1:] > cells[:, :-1]).tobytes(), "big")


def _edges(mask: UInt8Array, count: int) -> Counts:
    edges = np.zeros(count, np.int64)
    for before, after in ((mask[:-1], mask[1:]), (mask[:, :-1], mask[:, 1:])):
        differs = (before != after) & (before < count) & (after < count)
        for side in (before, after):
            edges += np.bincount(side[differs], minlength=count)
    return edges


def _objects(sample: Sample, framing: Framing, count: int) -> Objects:
    from scipy.ndimage import label

    height, width = framing.content(sample.mask.shape[:2])
    found = Objects(*(np.zeros(count, np.int64) for _ in range(4)))
    for index in np.unique(sample.mask[sample.mask < count]):
        areas, number = label(sample.mask == index, structure=np.ones((3, 3)))
        # As masks are resized: the objects that are left are those of which a pixel is taken.
        left = np.asarray(Image.fromarray(areas).resize((width, height), Image.Resampling.NEAREST))
        sizes = np.bincount(areas.ravel(), minlength=number + 1)[1:]
        kept = np.bincount(left.ravel(), minlength=number + 1)[1:] > 0
        for counts, value in zip(found, (number, sizes.sum(), kept.sum(), sizes[kept].sum()), strict=True):
            counts[index] = value
    return found
