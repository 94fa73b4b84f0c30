"""Exporters that fail: one whose models are wrong, and one that cannot write."""

from __future__ import annotations

from pathlib import Path

import keras

from search.exporters import Details
from search.exporters.keras_file import KerasFile


class NoisyFile(KerasFile):
    """A `.keras` file of another network."""

    name = "noisy.keras"

    def write(self, model: keras.Model, path: Path, details: Details) -> None:
        noisy = keras.models.clone_model(model)
        noisy.set_weights([weight * 1.1 for weight in model.get_weights()])
        noisy.save(path)

    def loading(self, threads: int | None = None) -> str:
        return super().loading(threads).replace("model.keras", self.name)


class UnknownLayer(KerasFile):
    """A format that lacks an operation of the network."""

    name = "unknown.keras"

    def write(self, model: keras.Model, path: Path, details: Details) -> None:
        path.touch()
        raise NotImplementedError("no such operation\nin 100 lines")
