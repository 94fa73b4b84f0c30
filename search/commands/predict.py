"""The `predict` command: masks and overlays from a trained model."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
from rich.console import Console

from datasets import IMAGE_SUFFIXES, DataError, Framing, ImageReading, read_image
from datasets.cores import usable_cores
from datasets.inference import Band, predict_whole
from search.commands.image_paths import expand, find_images, others_in
from search.errors import Incomplete, UserError
from search.results.model_files import needs_tensorflow
from search.results.prediction_files import PredictionFiles
from search.results.predictor import Predictor, load_predictor
from search.results.views import Views, averaged, parse_scales
from search.system.quiet import load_tensorflow
from search.system.wording import plural
from search.terminal import make_console, reading_progress

# Images that are read ahead of the network; a large one takes hundreds of megabytes.
AHEAD = 4
# Images that could not be read and are named in the message.
MOST_NAMED = 10


@dataclass(frozen=True)
class PredictOptions:
    """How images are found and predicted, and what is written of each.

    Attributes:
        tile: how images larger than the model's size are predicted (see `chosen_framing`).
        flip: also predict each image mirrored, and average the probabilities.
        scales: comma-separated factors by which images are resized; the probabilities are averaged.
        batch: images, or tiles of one image, per call of the network.
        recursive: whether folders in folders are read.
        legend: whether overlays have a legend of the classes.
        probabilities: whether probabilities are written too.
    """

    tile: str = "auto"
    flip: bool = False
    scales: str = "1"
    batch: int = 4
    recursive: bool = False
    legend: bool = False
    probabilities: bool = False


def predict_images(
    model: Path, images: Sequence[Path], target: Path, options: PredictOptions = PredictOptions()
) -> None:
    """Write `STEM.png` (class ids, palette) and `STEM_overlay.png` for each image, at the image's own size.

    Each image is read once, while others are predicted.

    Args:
        model: an exported model, or a study folder (its best trial).
        images: files, folders of image files, or patterns such as `photos/**/*.jpg`.
        target: the folder to write to.
        options: how.

    Raises:
        UserError: no such model or image, no readable image, two images with the same name, or a wrong option.
        Incomplete: some images cannot be read; all others were predicted.
    """
    chosen_framing(Framing((32, 32)), options.tile)  # before anything is read
    views = Views(options.flip, parse_scales(options.scales))
    paths = expand(images)
    files = find_images(paths, recursive=options.recursive, leave_out=target)
    check_outputs(files, target)
    console = make_console()
    skipped = others_in(paths, recursive=options.recursive)
    if skipped:
        console.print(f"skipped {skipped}: expected {', '.join(IMAGE_SUFFIXES)}", style="yellow", soft_wrap=True)
    if needs_tensorflow(model):
        load_tensorflow()
    predictor = load_predictor(model, mirrored=options.flip)
    if options.flip and predictor.mirror is None:
        console.print("--flip: takes it that no two classes change places in a mirrored image", style="yellow")
    names = predictor.class_names or tuple(map(str, range(max(2, predictor.outputs))))
    writer = PredictionFiles(target, names, legend=options.legend, probabilities=options.probabilities)
    _predict_all(predictor, files, writer, views, options, console)


def _predict_all(
    predictor: Predictor,
    files: Mapping[Path, Path],
    writer: PredictionFiles,
    views: Views,
    options: PredictOptions,
    console: Console,
) -> None:
    framing = chosen_framing(predictor.framing, options.tile)
    damaged: list[str] = []
    begun, done = time.perf_counter(), 0
    with reading_progress(console, "segmenting") as progress:
        readable = _readable(files, predictor.reading, damaged)
        for path, image, bands in _predicted(predictor, readable, framing, views, options.batch):
            writer.write(files[path], path.stem, image, bands)
            done += 1
            progress(done + len(damaged), len(files))
    if damaged and not done:
        raise UserError(_named(damaged))
    rate = done / max(1e-9, time.perf_counter() - begun)
    console.print(f"{plural(done, 'mask')} and overlays in {writer.folder}, {rate:.3g} images/s", soft_wrap=True)
    if damaged:
        raise Incomplete(f"{len(damaged)} of {plural(len(files), 'image')} left out: {_named(damaged)}")


def _predicted(
    predictor: Predictor, images: Iterator[tuple[Path, np.ndarray]], framing: Framing, views: Views, batch: int
) -> Iterator[tuple[Path, np.ndarray, Iterator[Band]]]:
    """Each image uint8 [H, W, channels] with its bands, which are computed as they are asked for."""
    if not (framing.is_whole and views.is_one):
        for path, image in images:
            yield (
                path,
                image,
                averaged(predictor.probabilities, image, framing, views, predictor.mirror or (), batch=batch),
            )
        return
    while chunk := list(islice(images, batch)):
        found = predict_whole(predictor.probabilities, [image for _, image in chunk], framing)
        for (path, image), bands in zip(chunk, found, strict=True):
            yield path, image, bands


def _readable(
    files: Mapping[Path, Path], reading: ImageReading, damaged: list[str]
) -> Iterator[tuple[Path, np.ndarray]]:
    """The images, read ahead by threads; of those that cannot be read, the reasons are added to `damaged`."""
    waiting: deque[tuple[Path, Future[np.ndarray]]] = deque()
    left = iter(files)
    with ThreadPoolExecutor(min(AHEAD, usable_cores())) as pool:
        while True:
            for path in islice(left, AHEAD - len(waiting)):
                waiting.append((path, pool.submit(read_image, path, reading)))
            if not waiting:
                return
            path, image = waiting.popleft()
            try:
                yield path, image.result()
            except DataError as error:
                damaged.append(str(error))


def _named(damaged: Sequence[str]) -> str:
    return damaged[0] if len(damaged) == 1 else "\n  ".join(["", *damaged[:MOST_NAMED], *_more(damaged)])


def _more(damaged: Sequence[str]) -> list[str]:
    more = len(damaged) - MOST_NAMED
    return [f"and {more:,} more"] if more > 0 else []


def check_outputs(files: Mapping[Path, Path], target: Path) -> None:
    """Refuse to write two results to one file, or over an image that is read. Raises UserError."""
    outputs = [output for path, below in files.items() for output in _outputs(path, target / below)]
    output, count = Counter(outputs).most_common(1)[0]
    if count > 1:
        raise UserError(f"two images would be written to {output.relative_to(target)}. Predict them one by one.")
    images = {_identity(path) for path in files}
    overwritten = sorted(output for output in outputs if output.exists() and _identity(output) in images)
    if overwritten:
        raise UserError(
            f"--to: {overwritten[0].resolve()} is one of the images and would be overwritten. Choose another --to."
        )


def _outputs(image: Path, folder: Path) -> tuple[Path, Path]:
    """Where an image's mask and overlay go."""
    return folder / f"{image.stem}.png", folder / f"{image.stem}_overlay.png"


def _identity(path: Path) -> tuple[int, int]:
    """Equal for all paths that lead to the same file."""
    status = path.stat()
    return status.st_dev, status.st_ino


def chosen_framing(framing: Framing, tile: str) -> Framing:
    """How `--tile` brings images to a model's size: as it was trained (auto), whole (off), or in tiles of N pixels.

    Raises:
        UserError: it is none of these.
    """
    if tile == "auto":
        return framing
    if tile == "off":
        return Framing(framing.image_size, "pad" if framing.resize == "pad" else "stretch")
    if not tile.isdecimal() or not 32 <= int(tile) <= 100_000:
        raise UserError(
            f"--tile: given {tile!r}; expected auto (as the model was trained), off (the whole image at once), or the "
            "shorter side of a tile, in pixels of the image, from 32."
        )
    return Framing(framing.image_size, "crop", min(framing.image_size) / int(tile))
