"""The LiteRT format with weights in float16."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from search.exporters import Details
from search.exporters.conversion import convert
from search.exporters.litert import LiteRt

if TYPE_CHECKING:
    import keras


class LiteRtFloat16(LiteRt):
    """One file of half the size; CPUs compute in float32 all the same, mobile GPUs in float16."""

    name = "model-float16.tflite"
    tolerance: float | None = 1e-2

    def write(self, model: keras.Model, path: Path, details: Details) -> None:
        """See `Exporter.write`."""
        import tensorflow as tf

        smaller = {"supported_types": [tf.float16]}
        convert(model, path, details, optimizations=[tf.lite.Optimize.DEFAULT], target_spec=smaller)
