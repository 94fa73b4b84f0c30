"""The `predict` command: masks and overlays from a trained model."""

from __future__ import annotations

import zipfile
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from rich.console import Console

from datasets import DataError, read_image, resize_image
from datasets.colors import class_colors, overlay
from datasets.cores import usable_cores
from search.errors import UserError
from search.results.trained_network import load_model, trained_trial
from search.study.folder import Study
from search.system.files import make_folder
from search.system.quiet import load_tensorflow
from search.terminal.console import make_console, reading_progress

SUFFIXES = (".jpg", ".jpeg", ".png")
# Images that are read ahead, so that an interruption does not wait for all of them.
CHUNK = 64

# Images uint8 [1, H, W, 3] to probabilities float32 [1, H, W, outputs].
Predictor = Callable[[np.ndarray], np.ndarray]


def predict_images(model: Path, images: Sequence[Path], target: Path) -> None:
    """Write `STEM.png` (class ids, palette) and `STEM_overlay.png` for each image, at the image's own size.

    Args:
        model: an exported `.keras` file or SavedModel folder, or a study folder (its best trial).
        images: files, or folders of JPEG and PNG files.
        target: the folder to write to.

    Raises:
        UserError: no such model or image, an unreadable image, or two images of one name.
    """
    files = find_images(images)
    check_outputs(files, target)
    console = make_console()
    check_images(files, console)
    load_tensorflow()
    predictor, size = load_predictor(model)
    make_folder(target, "--to")
    with reading_progress(console, "segmenting") as progress:
        for done, path in enumerate(files, 1):
            image = _read(path)
            _write(image, segment(predictor, image, size), *_outputs(path, target))
            progress(done, len(files))
    console.print(f"{len(files)} mask{'s' * (len(files) > 1)} and overlays in {target}", soft_wrap=True)


def find_images(paths: Sequence[Path]) -> list[Path]:
    """The image files among `paths` and directly in the folders among them. Raises UserError."""
    files: list[Path] = []
    for path in paths:
        if path.is_dir():
            found = sorted(entry for entry in path.iterdir() if entry.suffix.lower() in SUFFIXES)
            if not found:
                raise UserError(f"{path} holds no images; expected {', '.join(SUFFIXES)} files.")
            files += found
        elif path.is_file():
            files.append(path)
        else:
            raise UserError(f"image {path} does not exist.")
    return files


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


def check_images(files: Sequence[Path], console: Console) -> None:
    """Read every image once, so that a damaged one is found before anything is written. Raises UserError."""
    with reading_progress(console, "reading") as progress, ThreadPoolExecutor(usable_cores()) as pool:
        for start in range(0, len(files), CHUNK):
            chunk = files[start : start + CHUNK]
            for done, _ in enumerate(pool.map(_read, chunk), start + 1):
                progress(done, len(files))


def _identity(path: Path) -> tuple[int, int]:
    """Equal for all paths that lead to one file."""
    status = path.stat()
    return status.st_dev, status.st_ino


def load_predictor(model: Path) -> tuple[Predictor, tuple[int, int]]:
    """A function from images to probabilities, and the (height, width) that it takes. Raises UserError."""
    if Study(model).exists:
        study = Study(model)
        network = load_model(study, trained_trial(study, None))
        return _keras_predictor(network), network.input_shape[1:3]
    if (model / "saved_model.pb").is_file():
        return _saved_model_predictor(model)
    if model.is_file() and model.suffix == ".keras":
        import keras

        from deeplab.archive import check_archive

        try:
            with zipfile.ZipFile(model) as archive:
                check_archive(archive)
            network = keras.saving.load_model(model, compile=False)
        # Keras raises errors of many kinds for a damaged or foreign file; the user needs the one fact.
        except Exception as error:  # noqa: BLE001
            raise UserError(f"{model} cannot be loaded as a Keras model: {error}") from None
        return _keras_predictor(network), _image_size(network.input_shape, model)
    raise UserError(f"{model} is no model: expected a .keras file, a SavedModel folder or a study folder.")


def segment(predictor: Predictor, image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Class ids uint8 [H, W] of an RGB uint8 image [H, W, 3], predicted at `size` and scaled back."""
    import keras

    probabilities = predictor(resize_image(image, size)[np.newaxis])
    full = np.asarray(keras.ops.image.resize(probabilities, image.shape[:2], interpolation="bilinear"))[0]
    if full.shape[-1] == 1:
        return (full[..., 0] > 0.5).astype(np.uint8)
    return full.argmax(axis=-1).astype(np.uint8)


def _keras_predictor(network: Any) -> Predictor:
    return lambda images: np.asarray(network(images, training=False))


def _saved_model_predictor(folder: Path) -> tuple[Predictor, tuple[int, int]]:
    import tensorflow as tf

    loaded = tf.saved_model.load(str(folder))
    serve = loaded.signatures["serving_default"]
    (name, spec), *_ = serve.structured_input_signature[1].items()

    def predict(images: np.ndarray) -> np.ndarray:
        (output,) = serve(**{name: tf.cast(images, spec.dtype)}).values()
        return np.asarray(output)

    return predict, _image_size(tuple(spec.shape), folder)


def _image_size(shape: tuple[int | None, ...], model: Path) -> tuple[int, int]:
    if len(shape) != 4 or shape[3] != 3 or shape[1] is None or shape[2] is None:
        raise UserError(
            f"{model} takes {shape}; expected a model of RGB images of one size, [batch, height, width, 3]."
        )
    return shape[1], shape[2]


def _read(path: Path) -> np.ndarray:
    try:
        return read_image(path)
    except DataError as error:
        raise UserError(str(error)) from None


def _write(image: np.ndarray, mask: np.ndarray, mask_file: Path, overlay_file: Path) -> None:
    palette = Image.fromarray(mask)
    palette.putpalette(class_colors(256).tobytes())
    palette.save(mask_file)
    # Class 0 stays clear in an overlay, so that the image is seen through it.
    Image.fromarray(overlay(image, mask)).save(overlay_file)
