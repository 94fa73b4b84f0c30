"""What `predict` writes of each image: a mask, an overlay, and probabilities on request."""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from datasets.colors import as_rgb, class_colors, overlay
from datasets.inference import Band, class_ids
from datasets.legend import with_legend
from search.system.files import make_folder, write_atomically, writing_to

UInt8Array = npt.NDArray[np.uint8]


class PredictionFiles:
    """Writes the files of each image; folders are made for the first file in them.

    Args:
        folder: where the files go.
        class_names: in id order.
        legend: whether overlays have a legend of the classes.
        probabilities: whether probabilities are written too, as float16 [H, W, outputs].
    """

    def __init__(self, folder: Path, class_names: Sequence[str], *, legend: bool, probabilities: bool) -> None:
        self.folder = folder
        self._class_names, self._legend, self._probabilities = tuple(class_names), legend, probabilities

    def write(self, below: Path, stem: str, image: UInt8Array, bands: Iterable[Band]) -> None:
        """Write what was predicted of an image uint8 `[H, W, channels]`, into the folder `below` the target.

        Raises:
            UserError: the folder cannot be written.
        """
        mask, kept = np.empty(image.shape[:2], np.uint8), []
        for rows, probabilities in bands:
            mask[rows] = class_ids(probabilities)
            if self._probabilities:
                kept.append(probabilities.astype(np.float16))
        folder = self.folder / below
        make_folder(folder, "--to")
        # Class 0 stays clear in an overlay, so that the image is seen through it.
        shown = overlay(as_rgb(image), mask)
        if self._legend:
            shown = with_legend(shown, self._class_names)
        palette = Image.fromarray(mask)
        palette.putpalette(class_colors(256).tobytes())
        with writing_to(folder, "--to"):
            write_atomically(folder / f"{stem}.png", _png(palette), durable=False)
            write_atomically(folder / f"{stem}_overlay.png", _png(Image.fromarray(shown)), durable=False)
            if self._probabilities:
                content = io.BytesIO()
                np.savez_compressed(content, probabilities=np.concatenate(kept), classes=np.array(self._class_names))
                write_atomically(folder / f"{stem}.npz", content.getvalue(), durable=False)


def _png(image: Image.Image) -> bytes:
    content = io.BytesIO()
    image.save(content, "png")
    return content.getvalue()
