"""What an exported model answers in a process that cannot import this project.

Run as a program of its own, with a JSON file that says what to do; imported by nobody. It imports nothing of the
project either, and neither does the code that loads a model, which is the code that the model card shows.
"""

from __future__ import annotations

import importlib.util
import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np


class Blocked:
    """Finds no module of the project, wherever it is installed; asked before all other finders."""

    def __init__(self, names: list[str]) -> None:
        self._names = set(names)

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> None:
        """Raises ModuleNotFoundError for a module of the project, and leaves others to the other finders."""
        if name.partition(".")[0] in self._names:
            raise ModuleNotFoundError(f"{name} is not to be imported here", name=name)


def load(source: str) -> Any:
    """The function `predict` of a file of Python."""
    spec = importlib.util.spec_from_file_location("loading", source)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.predict


def answer(predict: Any, image: Any) -> Any:
    """What a model answers to one image [H, W, channels]."""
    return np.asarray(predict(image[np.newaxis].astype(np.float32)))[0]


def ids_of(found: Any, output: str) -> Any:
    """Class ids [H, W] of what a model answers."""
    if output == "class_ids":
        return found
    if found.shape[-1] == 1:
        return (found[..., 0] > (0.0 if output == "logits" else 0.5)).astype(np.int64)
    return found.argmax(axis=-1)


def difference(found: Any, expected: Any, output: str) -> float:
    """The largest distance between the probabilities of an answer and those expected [H, W, outputs].

    An answer of class ids has no probabilities: where an id is not the most probable class, the two classes'
    probabilities must be off by at least half of what is between them.
    """
    if output == "class_ids":
        if expected.shape[-1] == 1:
            wrong = found != (expected[..., 0] > 0.5)
            return float(np.abs(expected[..., 0] - 0.5)[wrong].max(initial=0.0))
        chosen = np.take_along_axis(expected, found[..., np.newaxis].astype(np.int64), axis=-1)[..., 0]
        return float((expected.max(axis=-1) - chosen).max(initial=0.0)) / 2
    found = np.asarray(found, np.float64)
    if output == "logits" and expected.shape[-1] == 1:
        found = 0.5 * (1 + np.tanh(found / 2))
    elif output == "logits":
        powers = np.exp(found - found.max(axis=-1, keepdims=True))
        found = powers / powers.sum(axis=-1, keepdims=True)
    return float(np.abs(found - expected).max())


def compare(predict: Any, job: dict[str, Any]) -> dict[str, Any]:
    """How far a model is from what is expected, and its confusion matrix where there are masks."""
    images, expected = (np.load(job[name], mmap_mode="r") for name in ("images", "expected"))
    masks = np.load(job["masks"], mmap_mode="r") if job["masks"] else None
    count = job["classes"]
    matrix, worst = np.zeros((count, count), np.int64), 0.0
    for index, image in enumerate(images):
        found = answer(predict, image)
        off = difference(found, np.asarray(expected[index], np.float64), job["output"])
        worst = max(worst, off if off == off else float("inf"))
        if masks is not None:
            truth = np.asarray(masks[index])
            valid = truth < count
            pairs = truth[valid].astype(np.int64) * count + ids_of(found, job["output"])[valid]
            matrix += np.bincount(pairs, minlength=count * count).reshape(count, count)
    return {"difference": worst, "matrix": matrix.tolist()}


def measure(predict: Any, job: dict[str, Any]) -> dict[str, Any]:
    """Seconds of each call with one image, after some that are not counted."""
    images = np.load(job["images"], mmap_mode="r")
    image = np.asarray(images[0], np.float32)[np.newaxis]
    times: list[float] = []
    end = float("inf")
    for number in range(job["warm_up"] + job["repeats"]):
        if number == job["warm_up"]:
            end = time.perf_counter() + job["seconds"]
        before = time.perf_counter()
        np.asarray(predict(image))
        after = time.perf_counter()
        if number >= job["warm_up"]:
            times.append(after - before)
        if after > end and len(times) >= job["least"]:
            break
    return {"seconds": times}


def main() -> None:
    """Do what the file that is named says, and print a line of JSON for each model."""
    job = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    sys.meta_path.insert(0, Blocked(job["project"]))
    for name, source in job["models"].items():
        try:
            predict = load(source)
            result = measure(predict, job) if job["what"] == "measure" else compare(predict, job)
        except Exception as error:  # noqa: BLE001 - whatever a runtime raises, the others are to be tried
            result = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps({"name": name, **result}), flush=True)


if __name__ == "__main__":
    main()
