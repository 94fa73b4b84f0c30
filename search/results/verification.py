"""Whether exported models answer as the study's own network, and how fast, in processes without this project."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from datasets.inference import class_ids
from deeplab.scoring import confusion_of_ids, scores
from search.exporters import Exporter, elsewhere
from search.results.labels import ModelLabels
from search.results.study_images import StudyImages

if TYPE_CHECKING:
    import keras

# Top-level modules of this project, which the other process must not find.
PROJECT = ("search", "deeplab", "datasets", "hyperparameters", "recipe", "space", "tests", "benchmarks")
# Calls by which a latency is measured: as many as fit into so many seconds, and this many at least.
WARM_UP, REPEATS, LEAST, SECONDS = 3, 200, 10, 10.0


@dataclass(frozen=True)
class Checked:
    """What a model was found to answer.

    Attributes:
        difference: the largest difference of a probability from that of the study's own network; None if it gave none.
        tolerance: how large it may be; None for any.
        error: why there was no answer; "" if there was.
        mean_iou: on the images that were compared; None without masks.
    """

    difference: float | None
    tolerance: float | None
    error: str
    mean_iou: float | None

    @property
    def is_good(self) -> bool:
        """Whether it may be used in place of the study's own network."""
        if self.difference is None or not math.isfinite(self.difference):
            return False
        return self.tolerance is None or self.difference <= self.tolerance


@dataclass(frozen=True)
class Verification:
    """Models compared with the study's own network.

    Attributes:
        checked: by format.
        source: the images, in words.
        mean_iou: of the study's own network on them; None without masks.
    """

    checked: Mapping[str, Checked]
    source: str
    mean_iou: float | None


@dataclass(frozen=True)
class Speed:
    """Seconds of single calls with one image, in the order in which they were made."""

    seconds: Sequence[float]

    @property
    def median(self) -> float:
        """Seconds."""
        return float(np.median(self.seconds))

    @property
    def p95(self) -> float:
        """Seconds that 95 % of the calls did not exceed."""
        return float(np.percentile(self.seconds, 95))

    @property
    def per_second(self) -> float:
        """Images."""
        return len(self.seconds) / sum(self.seconds)


def verify(
    exporters: Mapping[str, Exporter], folder: Path, network: keras.Model, images: StudyImages, labels: ModelLabels
) -> Verification:
    """Compare the models in `folder` with the study's own network, images to probabilities, on the CPU."""
    with tempfile.TemporaryDirectory() as held:
        here, count = Path(held), len(labels.classes)
        np.save(here / "images.npy", images.images)
        matrix = _expected(network, images, here / "expected.npy", count)
        if images.masks is not None:
            np.save(here / "masks.npy", images.masks)
        job = {
            "what": "compare",
            "images": str(here / "images.npy"),
            "expected": str(here / "expected.npy"),
            "masks": str(here / "masks.npy") if images.masks is not None else "",
            "classes": count,
            "output": labels.output,
        }
        found = _elsewhere(job, exporters, folder, here)
    checked = {
        name: Checked(
            found[name].get("difference"),
            exporter.tolerance,
            found[name].get("error", ""),
            _mean_iou(found[name].get("matrix"), labels.classes, images),
        )
        for name, exporter in exporters.items()
    }
    return Verification(checked, images.source, _mean_iou(matrix, labels.classes, images))


def measure(exporter: Exporter, folder: Path, images: StudyImages, threads: int) -> Speed | None:
    """How fast a model in `folder` answers, in a process of its own; None if it does not."""
    with tempfile.TemporaryDirectory() as held:
        here = Path(held)
        np.save(here / "images.npy", images.images[:1])
        job = {
            "what": "measure",
            "images": str(here / "images.npy"),
            "warm_up": WARM_UP,
            "repeats": REPEATS,
            "least": LEAST,
            "seconds": SECONDS,
        }
        found = _elsewhere(job, {"model": exporter}, folder, here, threads)["model"]
    return Speed(found["seconds"]) if "seconds" in found else None


def _expected(network: keras.Model, images: StudyImages, file: Path, count: int) -> np.ndarray:
    """Write the network's own probabilities to a file; returns their confusion matrix."""
    import tensorflow as tf

    matrix = np.zeros((count, count), np.int64)
    shape = (len(images.images), *network.output_shape[1:])
    written = np.lib.format.open_memmap(file, "w+", np.float32, shape)
    graph = tf.function(lambda image: network(image, training=False))
    # A GPU may compute convolutions with fewer digits than the tolerances have.
    with tf.device("/CPU:0"):
        for index, image in enumerate(images.images):
            written[index] = np.asarray(graph(tf.cast(image[np.newaxis], tf.float32)))[0]
            if images.masks is not None:
                matrix += confusion_of_ids(images.masks[index], class_ids(written[index]), count)
    written.flush()
    return matrix


def _elsewhere(
    job: dict[str, Any], exporters: Mapping[str, Exporter], folder: Path, here: Path, threads: int | None = None
) -> dict[str, dict[str, Any]]:
    """What the program `elsewhere` prints of each model in `folder`; `here` is for its files."""
    sources = {name: here / f"{number}.py" for number, name in enumerate(exporters)}
    for name, source in sources.items():
        source.write_text(exporters[name].loading(threads), encoding="utf-8")
    models = {name: str(source) for name, source in sources.items()}
    (here / "job.json").write_text(json.dumps({**job, "project": PROJECT, "models": models}), encoding="utf-8")
    # Neither the environment's paths nor the program's own folder are searched for modules.
    command = [sys.executable, "-E", "-P", str(elsewhere.__file__), str(here / "job.json")]
    quiet = {"CUDA_VISIBLE_DEVICES": "-1", "TF_CPP_MIN_LOG_LEVEL": "3", "KERAS_BACKEND": "tensorflow"}
    done = subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, **quiet},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith('{"name"')]
    found = {line.pop("name"): line for line in lines}
    last = (done.stderr.strip().splitlines() or [""])[-1]
    ended = {"error": f"the process that asked it ended with status {done.returncode}: {last}"}
    return {name: found.get(name, ended) for name in exporters}


def _mean_iou(matrix: Any, names: Sequence[str], images: StudyImages) -> float | None:
    if matrix is None or images.masks is None:
        return None
    return scores(np.asarray(matrix), names)["mean_iou"]
