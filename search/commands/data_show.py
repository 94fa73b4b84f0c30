"""The `data show` command: picture sheets of the images with their masks, as stored and as trained."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from datasets import DataError, Dataset, Sample
from datasets.sheets import picture_sheet
from search.errors import UserError
from search.study.config import StudyConfig
from search.study.prepare import open_data
from search.study.reading import load_config
from search.system.files import make_folder, write_atomically, writing_to
from search.system.quiet import load_tensorflow
from search.terminal import make_console, reading_progress, splitting_progress

# Images on one page.
PAGE = 8


def show_data(path: Path, overrides: Sequence[str], target: Path) -> None:
    """Write a page for each split as it is stored, and one for each augmentation as the network sees it.

    Args:
        path: the study file.
        overrides: of `--set`.
        target: folder for `train.png`, `val.png`, `test.png`, `trained_AUGMENT.png`.

    Raises:
        UserError: the study file or the data are wrong, or the folder cannot be written.
    """
    config = load_config(path, overrides)
    console = make_console()
    dataset = open_data(config, bar=splitting_progress(console))
    load_tensorflow()
    make_folder(target, "--to")
    policies = augmentations(config)
    written = []
    total = len(dataset.splits) + len(policies)
    try:
        with reading_progress(console, "drawing", "pages") as progress:
            for done, split in enumerate(dataset.splits, 1):
                title = f"{split}, as stored"
                written.append(_write(target / f"{split}.png", title, stored_samples(dataset, split), dataset))
                progress(done, total)
            for done, policy in enumerate(policies, 1):
                title = f"train, as trained: {_framing(dataset)}, augment = {policy!r}"
                samples = trained_samples(dataset, policy, config.study.seed)
                written.append(_write(target / f"trained_{policy}.png", title, samples, dataset))
                progress(len(dataset.splits) + done, total)
    except DataError as error:
        raise UserError(f"[data] {error}") from None
    for page in written:
        console.print(str(page), soft_wrap=True)


def augmentations(config: StudyConfig) -> list[str]:
    """The augmentations that a study trains with: the recipe's, or those that it searches."""
    searched = config.space.get("augment", config.recipe.augment)
    return list(dict.fromkeys(map(str, searched if isinstance(searched, list) else [searched])))


def stored_samples(dataset: Dataset, split: str) -> list[Sample]:
    """Some images of a split, spread evenly over it."""
    count = dataset.length(split)
    places = sorted({round(place) for place in np.linspace(0, count - 1, min(PAGE, count))})
    return [dataset.read(split, place) for place in places]


def trained_samples(dataset: Dataset, augment: str, seed: int) -> list[Sample]:
    """The first images of the first epoch, as a network is given them."""
    from datasets.pipeline import Pipeline

    count = min(PAGE, dataset.length("train"))
    pipeline = Pipeline(dataset, "train", batch_size=count, training=True, augment=augment, seed=seed)
    images, masks = next(iter(pipeline.epoch(1)))
    pairs = zip(np.asarray(images), np.asarray(masks), strict=True)
    return [Sample(image, mask, f"image {place}") for place, (image, mask) in enumerate(pairs, 1)]


def _framing(dataset: Dataset) -> str:
    framing = dataset.framing
    scale = f" at scale {framing.scale:g}" if framing.scale != 1 else ""
    return f"{framing.resize} to {framing.image_size[0]}x{framing.image_size[1]}{scale}"


def _write(path: Path, title: str, samples: Sequence[Sample], dataset: Dataset) -> Path:
    page: Image.Image = picture_sheet(title, samples, dataset.class_names, dataset.ignore_index)
    content = io.BytesIO()
    page.save(content, "PNG")
    with writing_to(path, "--to"):
        write_atomically(path, content.getvalue())
    return path
