"""A trial's network in several formats, with what was found of each: what the terminal and the model card show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from search.exporters import Exporter
from search.results.labels import ModelLabels
from search.results.trained_network import TrainedTrial
from search.results.verification import Speed, Verification
from search.system.files import folder_bytes
from search.system.wording import mebibytes, rounded

VERIFIED = ("model", "size", "largest difference of a probability", "allowed", "mean IoU")
MEASURED = ("model", "threads", "median ms", "95 % below, ms", "images/s", "size", "mean IoU")


@dataclass(frozen=True)
class Exported:
    """Models of one trial.

    Attributes:
        trial: whose network they are.
        labels: what their numbers mean.
        exporters: by format.
        folder: where the models are.
        verification: what they answer.
        speeds: of each format, by number of threads; empty where nothing was measured.
    """

    trial: TrainedTrial
    labels: ModelLabels
    exporters: Mapping[str, Exporter]
    folder: Path
    verification: Verification
    speeds: Mapping[str, Mapping[int, Speed | None]]

    @property
    def failed(self) -> list[str]:
        """The formats whose models may not be used."""
        return [name for name, checked in self.verification.checked.items() if not checked.is_good]

    @property
    def good(self) -> dict[str, Exporter]:
        """The other formats."""
        return {name: exporter for name, exporter in self.exporters.items() if name not in self.failed}

    @property
    def takes(self) -> str:
        """What the models take, in words."""
        height, width = ("height", "width") if self.labels.dynamic else self.labels.image_size
        kind = "RGB images" if self.labels.channels == 3 else "images"
        return f"{kind}, 0-255, [batch, {height}, {width}, {self.labels.channels}]"

    @property
    def gives(self) -> str:
        """What the models give, in words."""
        height, width = ("height", "width") if self.labels.dynamic else self.labels.image_size
        if self.labels.output == "class_ids":
            return f"class ids, [batch, {height}, {width}]"
        return f"{self.labels.output}, [batch, {height}, {width}, {self.labels.outputs}]"

    def verified_rows(self) -> list[Sequence[str]]:
        """A row of `VERIFIED` for the study's own network, and for each model."""
        rows: list[Sequence[str]] = [("the study's network", "", "", "", _score(self.verification.mean_iou))]
        for name, checked in self.verification.checked.items():
            file = self.exporters[name].name
            far = "no answer" if checked.difference is None else f"{checked.difference:.1e}"
            allowed = "any" if checked.tolerance is None else f"{checked.tolerance:.0e}"
            rows.append((file, self._size(name), far, allowed, _score(checked.mean_iou)))
        return rows

    def measured_rows(self) -> list[Sequence[str]]:
        """A row of `MEASURED` for each model and number of threads."""
        rows: list[Sequence[str]] = []
        for name, by_threads in self.speeds.items():
            last = self._size(name), _score(self.verification.checked[name].mean_iou)
            for threads, speed in by_threads.items():
                numbers = ("", "", "")
                if speed is not None:
                    numbers = (f"{1000 * speed.median:.2f}", f"{1000 * speed.p95:.2f}", f"{speed.per_second:.1f}")
                rows.append((self.exporters[name].name, str(threads), *numbers, *last))
        return rows

    def _size(self, name: str) -> str:
        path = self.folder / self.exporters[name].name
        size = folder_bytes(path) if path.is_dir() else path.stat().st_size
        return f"{size / 2**20:.2f} MiB" if size < 10 * 2**20 else mebibytes(size)


def _score(value: float | None) -> str:
    return "" if value is None or value != value else rounded(value)
