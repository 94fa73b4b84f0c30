"""The `predict` command: masks and overlays from a trained model."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image
from rich.console import Console

from datasets import IMAGE_SUFFIXES, DataError, Framing, ImageReading, read_image
from datasets.colors import as_rgb, class_colors, overlay
from datasets.cores import usable_cores
from datasets.inference import class_ids, predict_bands
from search.errors import UserError
from search.results.predictor import Predictor, load_predictor
from search.system.files import make_folder
from search.system.quiet import load_tensorflow
from search.system.wording import listed, plural
from search.terminal import make_console, reading_progress

# Images that are read ahead, so that an interruption does not wait for all of them.
CHUNK = 64


def predict_images(model: Path, images: Sequence[Path], target: Path, *, tile: str = "auto") -> None:
    """Write `STEM.png` (class ids, palette) and `STEM_overlay.png` for each image, at the image's own size.

    Args:
        model: an exported `.keras` file or SavedModel folder, or a study folder (its best trial).
        images: files, or folders of image files.
        target: the folder to write to.
        tile: how images larger than the model's size are predicted (see `chosen_framing`).

    Raises:
        UserError: no such model or image, an unreadable image, two images with the same name, or an unknown `tile`.
    """
    chosen_framing(Framing((32, 32)), tile)  # before anything is read
    files, skipped = find_images(images), others_in(images)
    check_outputs(files, target)
    console = make_console()
    if skipped:
        console.print(f"skipped {skipped}: expected {', '.join(IMAGE_SUFFIXES)}", style="yellow", soft_wrap=True)
    load_tensorflow()
    predictor = load_predictor(model)
    check_images(files, predictor.reading, console)
    framing = chosen_framing(predictor.framing, tile)
    make_folder(target, "--to")
    with reading_progress(console, "segmenting") as progress:
        for done, path in enumerate(files, 1):
            image = _read(path, predictor.reading)
            _write(image, segment(predictor, image, framing), *_outputs(path, target))
            progress(done, len(files))
    console.print(f"{plural(len(files), 'mask')} and overlays in {target}", soft_wrap=True)


def find_images(paths: Sequence[Path]) -> list[Path]:
    """The image files among `paths` and directly in the folders among them. Raises UserError."""
    files: list[Path] = []
    for path in paths:
        if path.is_dir():
            found = [entry for entry in _files_in(path) if _is_image(entry)]
            if not found:
                others = others_in([path])
                held = f"; it holds {others}" if others else ""
                raise UserError(f"{path} holds no images; expected {', '.join(IMAGE_SUFFIXES)} files{held}.")
            files += found
        elif path.is_file():
            files.append(path)
        else:
            raise UserError(f"image {path} does not exist.")
    return files


def others_in(paths: Sequence[Path]) -> str:
    """What the folders among `paths` hold beside images, such as "3 .tif files"; empty if there is nothing."""
    others = [entry for path in paths if path.is_dir() for entry in _files_in(path) if not _is_image(entry)]
    kinds = Counter(entry.suffix.lower() or entry.name for entry in others)
    return listed([plural(count, f"{kind} file") for kind, count in kinds.most_common()], most=5)


def _files_in(folder: Path) -> list[Path]:
    """What lies directly in a folder, except for other folders and hidden files: macOS adds a `._x.png` to `x.png`."""
    return sorted(entry for entry in folder.iterdir() if not entry.name.startswith(".") and not entry.is_dir())


def _is_image(path: Path) -> bool:
    return path.suffix.lower() in IMAGE_SUFFIXES


def _outputs(image: Path, target: Path) -> tuple[Path, Path]:
    """Where an image's mask and overlay go."""
    return target / f"{image.stem}.png", target / f"{image.stem}_overlay.png"


def check_outputs(files: Sequence[Path], target: Path) -> None:
    """Refuse to write two results to one file, or over an image that is read. Raises UserError."""
    outputs = [output for path in files for output in _outputs(path, target)]
    name, count = Counter(output.name for output in outputs).most_common(1)[0]
    if count > 1:
        raise UserError(f"two images would be written to {name}. Predict them one by one.")
    images = {_identity(path) for path in files}
    overwritten = sorted(output for output in outputs if output.exists() and _identity(output) in images)
    if overwritten:
        raise UserError(
            f"--to: {overwritten[0].resolve()} is one of the images and would be overwritten. Choose another --to."
        )


def check_images(files: Sequence[Path], reading: ImageReading, console: Console) -> None:
    """Read every image once, so that a damaged one is found before anything is written. Raises UserError."""
    with reading_progress(console, "reading") as progress, ThreadPoolExecutor(usable_cores()) as pool:
        for start in range(0, len(files), CHUNK):
            chunk = files[start : start + CHUNK]
            for done, _ in enumerate(pool.map(lambda path: _read(path, reading), chunk), start + 1):
                progress(done, len(files))


def _identity(path: Path) -> tuple[int, int]:
    """Equal for all paths that lead to the same file."""
    status = path.stat()
    return status.st_dev, status.st_ino


def segment(predictor: Predictor, image: np.ndarray, framing: Framing) -> np.ndarray:
    """Class ids uint8 [H, W] of an image uint8 [H, W, channels]."""
    mask = np.empty(image.shape[:2], np.uint8)
    for rows, probabilities in predict_bands(predictor.probabilities, image, framing):
        mask[rows] = class_ids(probabilities)
    return mask


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


def _read(path: Path, reading: ImageReading) -> np.ndarray:
    try:
        return read_image(path, reading)
    except DataError as error:
        raise UserError(str(error)) from None


def _write(image: np.ndarray, mask: np.ndarray, mask_file: Path, overlay_file: Path) -> None:
    palette = Image.fromarray(mask)
    palette.putpalette(class_colors(256).tobytes())
    palette.save(mask_file)
    # Class 0 stays clear in an overlay, so that the image is seen through it.
    Image.fromarray(overlay(as_rgb(image), mask)).save(overlay_file)
