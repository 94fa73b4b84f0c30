"""The LiteRT format in int8."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from search.exporters import Details
from search.exporters.conversion import convert
from search.exporters.litert import LiteRt

if TYPE_CHECKING:
    import keras


class LiteRtInt8(LiteRt):
    """One file of a quarter of the size: weights and activations in int8, float32 at the input and the output.

    The ranges of the activations are those of training images. Float at both ends means that the file takes and gives
    what the other formats do.
    """

    name = "model-int8.tflite"
    tolerance: float | None = None
    needs_images = True

    def write(self, model: keras.Model, path: Path, details: Details) -> None:
        """See `Exporter.write`."""
        import tensorflow as tf

        def images() -> Iterator[list[npt.NDArray[np.float32]]]:
            for image in details.calibration():
                yield [image[np.newaxis].astype(np.float32)]

        convert(model, path, details, optimizations=[tf.lite.Optimize.DEFAULT], representative_dataset=images)
