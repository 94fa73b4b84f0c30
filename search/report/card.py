"""The model card of an export, README.md (Mitchell et al. 2019, "Model Cards for Model Reporting")."""

from __future__ import annotations

import platform
from collections.abc import Iterable, Sequence

import numpy as np

from deeplab import cost
from search.report.gain import standard_error
from search.results.exported import MEASURED, VERIFIED, Exported
from search.results.labels import LABELS_FILE
from search.study import Study
from search.study.versions import recorded_version
from search.system.csv_files import read_csv
from search.system.machine import now, project_version
from search.system.wording import billions, listed, millions, plural, rounded
from search.trial.testing import read_test
from search.trial.validation import Validation, read_best_epoch

CARD_FILE = "README.md"
# The first line, by which an earlier card is told from a text of somebody else.
MARK = "<!-- Written by deeplab-search export, which replaces this file. -->"
# A class with a smaller share of the labelled pixels, or in fewer images, is called rare.
_RARE_SHARE, _RARE_IMAGES = 0.01, 10
_PACKAGES = {
    "keras": "tensorflow keras",
    "savedmodel": "tensorflow",
    "onnx": "onnxruntime",
}
_PHOTO = """\
from PIL import Image, ImageOps

photo = ImageOps.exif_transpose(Image.open("photo.jpg")).convert("RGB")  # upright
image = np.asarray(photo.resize(({width}, {height}), Image.Resampling.BILINEAR), "float32")
answer = predict(image[np.newaxis])[0]
mask = {mask}  # [{height}, {width}], class ids
"""
_MASKS = {
    "probabilities": ("answer[..., 0] > 0.5", "answer.argmax(axis=-1)"),
    "logits": ("answer[..., 0] > 0", "answer.argmax(axis=-1)"),
    "class_ids": ("answer", "answer"),
}


_CHOSEN = " The search chose this network by its score on these very images: new ones will score somewhat lower."
_LICENCE = """\
The code that trained this model is under Apache-2.0. The model's weights depend on the images and labels that it was
trained on, and on the pretrained weights of {encoder} if it started from any: whoever passes them on checks the
licences of both, which may forbid commercial use or demand attribution, and names them here."""


def card_text(study: Study, exported: Exported) -> str:
    """The card, in Markdown."""
    counts, where = _counts(study, exported)
    parts = [
        f"{MARK}\n\n# {study.name}: {', '.join(exported.labels.classes)}",
        _what(exported),
        "## Files\n\n" + _files(exported),
        "## Data\n\n" + _data(study, exported),
        "## Scores\n\n" + _scores(exported, counts, where),
        "## Limits\n\n" + _limits(exported, counts, where),
        "## Loading\n\n" + _loading(exported),
        "## Licence\n\n" + _LICENCE.format(encoder=exported.trial.architecture.encoder),
        "## Origin\n\n" + _origin(study, exported),
    ]
    return "\n\n".join(parts) + "\n"


def _what(exported: Exported) -> str:
    architecture, labels = exported.trial.architecture, exported.labels
    size = cost(architecture, labels.image_size, labels.outputs, labels.channels)
    rates = f" with rates {', '.join(map(str, architecture.aspp_rates))}" if architecture.aspp_rates else ""
    return (
        "A network for semantic segmentation: a DeepLabV3+ (Chen et al. 2018) with the encoder "
        f"{architecture.encoder}, output stride {architecture.output_stride} and an ASPP of "
        f"{architecture.aspp_filters} filters{rates}; {millions(size.parameters)} parameters, "
        f"{billions(size.macs)} multiply-accumulates per image of {labels.image_size[0]} x {labels.image_size[1]} "
        "pixels. A search over architectures found it "
        "(deeplab-search).\n\n"
        f"- takes {exported.takes}; the scaling of the input is part of the model\n"
        f"- gives {exported.gives}\n\n"
        + _table(
            ("class id", "name", "colour in masks"),
            [(str(index), name, labels.colors[index]) for index, name in enumerate(labels.classes)],
        )
    )


def _files(exported: Exported) -> str:
    verification = exported.verification
    text = (
        f"Each model was compared with the study's own network on {verification.source}, after it was written, by a "
        "process in which the project that wrote it could not be imported.\n\n"
        + _table(VERIFIED, exported.verified_rows())
        + f"\n\n`{LABELS_FILE}` has the names and colours of the classes, and how images are brought to the model's "
        "size."
    )
    if exported.speeds:
        text += f"\n\nOne image at a time on {platform.processor() or platform.machine()}, without a GPU:\n\n" + _table(
            MEASURED, exported.measured_rows()
        )
    return text


def _data(study: Study, exported: Exported) -> str:
    data, frozen = exported.trial.config.data, study.frozen()
    how = {
        "stretch": "stretched to the model's size, whatever their shape",
        "pad": "resized to fit into the model's size, and padded with grey at the right and the bottom",
        "crop": f"seen in overlapping tiles of the model's size, at {data.scale:g} times their own",
    }[data.resize]
    return (
        f"Trained on data of format `{data.format}`{f', `{data.path}`' if data.path else ''} (fingerprint "
        f"{frozen.get('data_fingerprint')}). Images are {how}.\n\n"
        "*Whoever publishes the model adds here where the images come from, whom or what they show, and how they were "
        "labelled.*"
    )


def _counts(study: Study, exported: Exported) -> tuple[Validation | None, str]:
    """What the trial achieved, image by image: on the test split if it was scored there, else on validation."""
    folder = study.trial(exported.trial.trial_id)
    found = read_test(folder)
    if found is not None:
        return found, "the test images, at their own size"
    row = next(row for row in read_csv(study.trials_csv) if row["trial_id"] == exported.trial.trial_id)
    best = read_best_epoch(folder / "best", int(row["best_epoch"] or 0))
    return (None, "") if best is None else (best.validation, "the validation images, at the size trained")


def _scores(exported: Exported, counts: Validation | None, where: str) -> str:
    if counts is None:
        return "The trial has kept no scores of single classes."
    names = exported.labels.classes
    total = max(1, int(counts.truth.sum()))
    rows = []
    for index, name in enumerate(names):
        truth, hits, predicted = (int(one[:, index].sum()) for one in (counts.truth, counts.hits, counts.predicted))
        iou = rounded(hits / (truth + predicted - hits)) if truth else ""
        error = standard_error(counts, f"val_iou_{name}", names) if truth else None
        present = int((counts.truth[:, index] > 0).sum())
        rows.append((name, iou, _plus_minus(error), f"{100 * truth / total:.2f} %", str(present)))
    mean = float(np.mean([float(row[1]) for row in rows if row[1]])) if any(row[1] for row in rows) else float("nan")
    rows.append(("**mean**", rounded(mean), _plus_minus(standard_error(counts, "val_mean_iou", names)), "", ""))
    chosen = "" if where.startswith("the test") else _CHOSEN
    return (
        f"Intersection over union on {where} ({plural(len(counts.truth), 'image')}).{chosen}\n\n"
        + _table(("class", "IoU", "standard error", "share of the pixels", "images with it"), rows)
        + "\n\nThe standard error is that over resampled images (bootstrap); it says nothing of images of another "
        "kind, nor of another training from other initial weights."
    )


def _limits(exported: Exported, counts: Validation | None, where: str) -> str:
    labels, stride = exported.labels, exported.trial.architecture.output_stride
    size = f"{labels.image_size[0]} x {labels.image_size[1]}"
    lines = [
        f"Trained at {size} pixels. It takes images of any size from {stride} x {stride}, but finds objects best whose "
        "size in pixels is that of the training images."
        if labels.dynamic
        else f"It takes images of {size} pixels only; others must be resized, padded or cut into tiles first, as in "
        "training (above).",
    ]
    if counts is not None:
        shares = counts.truth.sum(axis=0) / max(1, int(counts.truth.sum()))
        present = (counts.truth > 0).sum(axis=0)
        rare = [
            f"{name} ({100 * shares[index]:.2f} % of the pixels, in {plural(int(present[index]), 'image')})"
            for index, name in enumerate(labels.classes)
            if shares[index] < _RARE_SHARE or present[index] < min(_RARE_IMAGES, len(counts.truth))
        ]
        lines.append(
            f"Rare among {where}, so that their scores are uncertain: {listed(rare, len(rare))}."
            if rare
            else f"No class is rare among {where}."
        )
    lines.append("Images of another kind (camera, season, place, labelling) were not tried.")
    return "\n".join(f"- {line}" for line in lines)


def _loading(exported: Exported) -> str:
    labels = exported.labels
    parts = ["Each defines `predict(images)`: images float32 [batch, height, width, channels], 0-255, to an array."]
    for name, exporter in exported.good.items():
        needs = _PACKAGES.get(name, "ai-edge-litert" if name.startswith("litert") else "")
        install = f"`pip install numpy {needs}`\n\n" if needs else ""
        parts.append(f"### {exporter.name}\n\n{install}```python\n{exporter.loading()}```")
    if labels.channels == 3:
        height, width = labels.image_size
        mask = _MASKS[labels.output][labels.outputs > 1]
        source = "import numpy as np\n" + _PHOTO.format(height=height, width=width, mask=mask)
        parts.append(
            "### From a photo to a mask\n\nAfter any of the above, for images that are stretched to the model's size; "
            "`deeplab-search predict` also pads, cuts into tiles and brings masks to the photo's own size.\n\n"
            f"```python\n{source}```"
        )
    return "\n\n".join(parts)


def _origin(study: Study, exported: Exported) -> str:
    frozen = study.frozen()
    weights = exported.trial.config.weights_of(exported.trial.architecture.encoder)
    trained = ", ".join(f"{name} {version}" for name, version in dict(frozen.get("versions", {})).items())
    return (
        f"Trial {exported.trial.trial_id} of the study {study.name}, started {frozen.get('created')} with "
        f"deeplab-search {recorded_version(frozen)['project']} ({trained}). Initial weights of the encoder: "
        f"{weights or 'none'}. Exported {now()} by deeplab-search {project_version()}.\n\n"
        "<details><summary>The study file, with every value</summary>\n\n"
        f"```toml\n{study.whole_config_file().read_text(encoding='utf-8').strip()}\n```\n\n</details>"
    )


def _plus_minus(error: float | None) -> str:
    return "" if error is None else f"± {error:.4f}"


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |" for cells in lines)
