"""The `evaluate` command: what a model achieves on a split, at the images' own size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from datasets import DataError, Dataset, Framing
from search.errors import UserError
from search.results.evaluation import Evaluation
from search.results.evaluation_files import Report, WorstImages, write_report
from search.results.model_files import needs_tensorflow
from search.results.predictor import Predictor, load_predictor
from search.results.views import Views, averaged, parse_scales
from search.study.prepare import open_data
from search.study.reading import load_config
from search.system.files import make_folder
from search.system.quiet import load_tensorflow
from search.terminal import make_console, reading_progress, splitting_progress
from search.terminal.scores import print_scores


def evaluate_model(model: Path, study_file: Path, *, split: str, flip: bool, scales: str, target: Path | None) -> None:
    """Predict the images of a split, compare them with their masks, and print the scores.

    Args:
        model: a study folder (its best trial), or an exported model.
        study_file: the study file that names the data.
        split: `train`, `val` or `test`.
        flip: also predict each image mirrored, and average the probabilities.
        scales: comma-separated factors by which images are resized; the probabilities are averaged.
        target: folder for `scores.json`, `confusion.csv`, `images.csv` and pictures of the worst images; None for none.

    Raises:
        UserError: the model or the data cannot be read, or do not fit together; or an option is wrong.
    """
    views = Views(flip, parse_scales(scales))
    console = make_console()
    dataset = open_data(load_config(study_file), bar=splitting_progress(console))
    _check_split(dataset, split, str(study_file))
    if needs_tensorflow(model):
        load_tensorflow()
    predictor = load_predictor(model)
    check_fit(predictor, dataset, str(model), str(study_file))
    # A bare model file does not say how images are brought to its size; the study file does.
    framing = predictor.framing
    if predictor.class_names is None:
        framing = replace(dataset.framing, image_size=framing.image_size)
    if target is not None:
        make_folder(target, "--to")
    worst = WorstImages(dataset.ignore_index)
    found = evaluate_split(predictor, dataset, split, framing, views, console, worst)
    validation = None
    if dataset.classes == 1 and split != "val" and dataset.length("val"):
        validation = evaluate_split(predictor, dataset, "val", framing, views, console)
    report = Report(str(model), split, framing, views, found, validation)
    print_scores(console, report)
    if target is not None:
        write_report(target, report, worst)
        console.print(f"\nscores.json, confusion.csv, images.csv and the worst images in {target}", soft_wrap=True)


def evaluate_split(
    predictor: Predictor,
    dataset: Dataset,
    split: str,
    framing: Framing,
    views: Views,
    console: Console,
    worst: WorstImages | None = None,
) -> Evaluation:
    """Scores of all images of a split, with progress. Raises UserError for an image or mask that cannot be read."""
    found = Evaluation(dataset.class_names)
    with reading_progress(console, f"evaluating {split}") as progress:
        for index in range(dataset.length(split)):
            try:
                image, mask, name = dataset.read(split, index)
            except DataError as error:
                raise UserError(f"[data] {error}") from None
            bands = averaged(predictor.probabilities, image, framing, views, dataset.mirror)
            predicted = found.add(name, mask, bands)
            if worst is not None:
                worst.offer(index, found.image_score(index), image, mask, predicted)
            progress(index + 1, dataset.length(split))
    return found


def check_fit(predictor: Predictor, dataset: Dataset, model: str, source: str) -> None:
    """Raises UserError where the classes or channels of a model are not those of the data."""
    known, names = predictor.class_names, dataset.class_names
    differences = []
    if predictor.outputs != dataset.classes:
        differences.append(
            f"{predictor.outputs} outputs{_named(known)}, the data need {dataset.classes}{_named(names)}"
        )
    # The two classes of binary data may be called anything.
    elif known is not None and known != names and predictor.outputs > 1:
        differences.append(f"the classes {', '.join(known)}; the data have {', '.join(names)}")
    if predictor.reading.channels != dataset.channels:
        differences.append(f"{predictor.reading.channels} channels, the data {dataset.channels}")
    if differences:
        raise UserError(
            f"{model} and the data of {source} do not fit together: the model has {'; and '.join(differences)}. Name "
            "the study file of data like those that the model was trained on."
        )


def _named(names: Sequence[str] | None) -> str:
    return f" ({', '.join(names)})" if names else ""


def _check_split(dataset: Dataset, split: str, source: str) -> None:
    if not dataset.length(split):
        raise UserError(
            f"--split: the data of {source} have no images in {split!r}; there are {', '.join(dataset.splits)}."
        )
