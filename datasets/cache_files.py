"""The files of one split in a cache: arrays of images of one size, or bytes of images of any sizes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt
from numpy.lib.format import write_array_header_1_0

from datasets.framing import Framing
from datasets.resizing import UInt8Array


class Framed(NamedTuple):
    """An image [H, W, C] and its mask [H, W], uint8, as a network sees them."""

    image: UInt8Array
    mask: UInt8Array


class CachedSplit(Protocol):
    """The first images of a split."""

    def __len__(self) -> int: ...

    def read(self, index: int) -> Framed:
        """The image at `index`, from 0."""


class FixedSplit:
    """Images of one size: `SPLIT.images.npy` (uint8 [N, H, W, C]) and `SPLIT.masks.npy` (uint8 [N, H, W]).

    Raises:
        OSError, ValueError: a file is missing or damaged, or holds something else.
    """

    def __init__(self, folder: Path, split: str, framing: Framing, channels: int) -> None:
        self._images, self._masks = (
            np.asarray(np.load(folder / f"{split}.{kind}.npy", mmap_mode="r")) for kind in ("images", "masks")
        )
        size = framing.image_size
        shapes = (len(self._masks), *size, channels), (len(self._images), *size)
        if (self._images.shape, self._masks.shape) != shapes or not self._images.dtype == self._masks.dtype == np.uint8:
            raise ValueError(f"{folder} holds no images of {size}")

    def __len__(self) -> int:
        return len(self._images)

    def read(self, index: int) -> Framed:
        """The image at `index`, from 0."""
        return Framed(self._images[index], self._masks[index])

    @staticmethod
    def write(folder: Path, split: str, samples: Iterator[Framed], count: int) -> Iterator[None]:
        """Write `count` images as they come; yields after each."""
        # Not by a memory map, whose pages would count as this process's memory.
        with (folder / f"{split}.images.npy").open("wb") as images, (folder / f"{split}.masks.npy").open("wb") as masks:
            for index, framed in enumerate(samples):
                for file, array in zip((images, masks), framed, strict=True):
                    if index == 0:
                        shape = (count, *array.shape)
                        write_array_header_1_0(file, {"descr": "|u1", "fortran_order": False, "shape": shape})
                    file.write(array.tobytes())
                yield


class MixedSplit:
    """Images of any sizes: `SPLIT.pixels`, the bytes of each image and then its mask; `SPLIT.sizes.npy`, int64 [N, 2].

    Raises:
        OSError, ValueError: a file is missing or damaged.
    """

    def __init__(self, folder: Path, split: str, channels: int) -> None:
        sizes = np.load(folder / f"{split}.sizes.npy")
        self._sizes: list[tuple[int, int]] = [(int(height), int(width)) for height, width in sizes]
        self._channels = channels
        lengths = [height * width * (channels + 1) for height, width in self._sizes]
        self._starts: npt.NDArray[np.int64] = np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)])
        self._pixels = np.memmap(folder / f"{split}.pixels", np.uint8, "r")
        if len(self._pixels) != self._starts[-1]:
            raise ValueError(f"{folder} does not hold what its sizes say")

    def __len__(self) -> int:
        return len(self._sizes)

    def read(self, index: int) -> Framed:
        """The image at `index`, from 0."""
        size = self._sizes[index]
        pixels = np.asarray(self._pixels[self._starts[index] : self._starts[index + 1]])
        border = size[0] * size[1] * self._channels
        return Framed(pixels[:border].reshape(*size, self._channels), pixels[border:].reshape(size))

    @staticmethod
    def write(folder: Path, split: str, samples: Iterator[Framed], count: int) -> Iterator[None]:  # noqa: ARG004
        """Write images as they come; yields after each."""
        sizes = []
        with (folder / f"{split}.pixels").open("wb") as pixels:
            for image, mask in samples:
                pixels.write(image.tobytes())
                pixels.write(mask.tobytes())
                sizes.append(mask.shape)
                yield
        np.save(folder / f"{split}.sizes.npy", np.array(sizes, np.int64).reshape(-1, 2))
