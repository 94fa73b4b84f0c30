"""Exporters write a trained network as a model that loads without this project, one module per format."""

from __future__ import annotations

import importlib.util
import pkgutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
import numpy.typing as npt

from search.errors import UserError

if TYPE_CHECKING:
    import keras

# What `export --format` may name; imported only where it is chosen.
EXPORTERS: dict[str, str] = {
    "keras": "search.exporters.keras_file:KerasFile",
    "savedmodel": "search.exporters.saved_model:SavedModel",
    "onnx": "search.exporters.onnx_file:OnnxFile",
    "litert": "search.exporters.litert:LiteRt",
    "litert-float16": "search.exporters.litert_float16:LiteRtFloat16",
    "litert-int8": "search.exporters.litert_int8:LiteRtInt8",
}
# What is written if no format is named: what needs no further package.
DEFAULT_FORMATS = "keras,savedmodel"
INSTALL = "pip install -e '.[export]'"


@dataclass(frozen=True)
class Details:
    """What an exporter may write into a model besides the network.

    Attributes:
        labels: what the model's numbers mean (see `ModelLabels`), as plain data.
        labels_text: the same as the content of `labels.toml`.
        calibration: training images uint8 [H, W, channels] of the model's size, anew at each call; empty if there are
            none.
    """

    labels: Mapping[str, object] = field(default_factory=dict)
    labels_text: str = ""
    calibration: Callable[[], Iterator[npt.NDArray[np.uint8]]] = lambda: iter(())


class Exporter(Protocol):
    """One model format; constructed without arguments.

    Attributes:
        name: of the file or folder that it writes.
        packages: modules, beside TensorFlow, that writing and loading need.
        tolerance: how far a probability of the model may be from the network's; None where it changes the network, so
            that its scores are compared instead.
        any_size: whether it can write networks for images of any size.
        needs_images: whether it calibrates the network on training images.
    """

    name: str
    packages: tuple[str, ...]
    tolerance: float | None
    any_size: bool
    needs_images: bool

    def may_replace(self, path: Path) -> bool:
        """Whether what exists at `path` may be an earlier export, which a new one may replace."""

    def write(self, model: keras.Model, path: Path, details: Details) -> None:
        """Write a model (images 0-255 to what `details.labels` say) to `path`, where nothing exists yet."""

    def loading(self, threads: int | None = None) -> str:
        """Python that loads the model in the working directory, without this project, and defines `predict(images)`.

        `predict` takes float32 [batch, height, width, channels] and returns an array. The card shows this code, and
        the model is verified by it. With `threads`, it computes with as many.
        """


def load_exporter(name: str) -> Exporter:
    """The exporter with this name.

    Raises:
        UserError: there is no such format, or a package that it needs is not installed.
    """
    if name not in EXPORTERS:
        raise UserError(f"--format: given {name!r}; allowed are {', '.join(EXPORTERS)}.")
    try:
        exporter: Exporter = pkgutil.resolve_name(EXPORTERS[name])()
    except ModuleNotFoundError as error:
        raise UserError(f"--format: {name!r} needs the package {error.name}, which is not installed.") from error
    missing = [package for package in exporter.packages if importlib.util.find_spec(package) is None]
    if missing:
        raise UserError(
            f"--format: {name!r} needs {', '.join(exporter.packages)}; not installed: {', '.join(missing)}. Install "
            f"them: {INSTALL}"
        )
    return exporter


def file_names() -> list[str]:
    """The names of the files and folders of all formats."""
    return [pkgutil.resolve_name(target).name for target in EXPORTERS.values()]
