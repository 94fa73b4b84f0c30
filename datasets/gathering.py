"""Statistics of a split, gathered image by image: of each image, only its name and two hashes are kept."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Sequence

import numpy as np

from datasets.look import Look
from datasets.statistics import ClassStatistics, SplitStatistics


class SplitGathering:
    """What the images of one split hold.

    Args:
        split: its name.
        class_names: in id order.
    """

    def __init__(self, split: str, class_names: Sequence[str]) -> None:
        self.split = split
        self._class_names = class_names
        self.names: list[str] = []
        self.digests: list[bytes] = []
        self.fingerprints = array("Q")
        self._sizes: Counter[tuple[int, int]] = Counter()
        self._pixels = np.zeros(256, np.int64)
        # Of each class: images that hold it, images that hold it at the size trained, edges, objects.
        self._images, self._kept, self._edges = (np.zeros(len(class_names), np.int64) for _ in range(3))
        self._objects = np.zeros((4, len(class_names)), np.int64)  # a row for each field of `Objects`

    def add(self, look: Look) -> None:
        """Add one image."""
        count = len(self._class_names)
        self.names.append(look.name)
        self.digests.append(look.digest)
        self.fingerprints.append(look.fingerprint)
        self._sizes[look.size] += 1
        self._pixels += look.counts
        self._images += look.counts[:count] > 0
        self._kept += look.kept
        self._edges += look.edges
        if look.objects is not None:
            self._objects += look.objects

    def statistics(self) -> SplitStatistics:
        """Of all images that were added, at least one."""
        labelled = int(self._pixels[: len(self._class_names)].sum())
        classes = tuple(self._class(index, name, labelled) for index, name in enumerate(self._class_names))
        sizes = tuple(self._sizes.most_common())
        return SplitStatistics(self.split, len(self.names), sizes, 1 - labelled / int(self._pixels.sum()), classes)

    def _class(self, index: int, name: str, labelled: int) -> ClassStatistics:
        pixels, edges = int(self._pixels[index]), int(self._edges[index])
        objects, object_pixels, kept_objects, kept_pixels = self._objects[:, index].tolist()
        return ClassStatistics(
            name=name,
            pixels=pixels,
            share=pixels / max(1, labelled),
            images=int(self._images[index]),
            kept_images=int(self._kept[index]),
            # Of a long stripe of w x L pixels, which has about 2 L edges.
            width=2 * pixels / edges if edges else None,
            objects=objects,
            kept_objects=kept_objects,
            lost_share=1 - kept_pixels / object_pixels if objects else 0.0,
            object_size=(object_pixels / objects) ** 0.5 if objects else None,
        )
