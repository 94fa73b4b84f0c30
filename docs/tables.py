"""Keep the tables in docs/study-files.md consistent with the code: `python docs/tables.py --write` updates them.

A table is enclosed in `<!-- table: NAME -->` and `<!-- end -->`. Types, defaults and bounds come from the pydantic
models and from `hyperparameters.dimensions.CATALOGUE`; the meaning of each key is written here, and
`tests/unit/test_docs.py` requires every key to be explained.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt
from pydantic import AfterValidator, BaseModel
from pydantic.fields import FieldInfo

from datasets import FORMATS, load_format
from deeplab import ENCODERS, TUTORIAL
from deeplab.encoders import encoder_entry
from hyperparameters.dimensions import CATALOGUE, Entry
from hyperparameters.offers import CONDITIONS
from search.study.choices import OneOf
from search.study.config import StudyConfig
from search.study.reading import FREE_KEYS

PAGE = Path(__file__).with_name("study-files.md")
BLOCK = re.compile(r"(<!-- table: (?P<name>\w+) -->\n).*?(<!-- end -->)", re.DOTALL)
STAGES = ("stage2", "stage3", "stage4", "stage5")

SECTIONS: dict[str, type[BaseModel]] = {
    name: field.annotation
    for name, field in StudyConfig.model_fields.items()
    if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)
}

MEANINGS: dict[str, str] = {
    "study.name": "Name of the study and of its folder.",
    "study.directory": "Where study folders are kept, relative to the working directory. `--directory` overrides it.",
    "study.seed": "Random seed. Determines the configurations drawn, the initial weights, the order of the images, the "
    "augmentation and the synthetic scenes.",
    "study.objective": "The metric by which trials are compared. `val_loss` is minimised, all others are maximised.",
    "study.score": "What a trial's score is: the value of its `best` epoch, or `smoothed`, the mean over its last 3 "
    "epochs; see [Score](#score).",
    "study.on_end": "Command to run when the search has ended, with the study's folder as its last argument; "
    "see [At the end](#at-the-end).",
    "data.format": "Kind of data set, see [Data](#data).",
    "data.path": "The data folder or file, relative to the working directory, for formats that need one.",
    "data.image_size": "Size of the network's input. Images are resized bilinearly, masks by nearest neighbour.",
    "data.resize": "How images are brought to `image_size`, see [Shape and scale](#shape-and-scale).",
    "data.scale": "With `crop`: the factor by which images are resized first.",
    "data.split": "How splits are made of data that come without them.",
    "data.orientation": "Whether masks belong to images `turned` as their EXIF orientation says, or to their `raw` "
    "pixels. None: the sizes must tell.",
    "data.mask_suffix": "What the name of a mask has after the name of its image, such as `_mask`.",
    "data.channels": "Number of channels of the images.",
    "data.value_range": "The values that become 0 and 255, for images of more than 8 bits.",
    "data.classes": "Number of outputs of the network; 1 means binary. None: the value from the data.",
    "data.ignore_index": "Mask value that neither loss nor metrics count. None: the value from the data, or else 255.",
    "data.cache": "GB of disk space for images that are decoded and resized once, see [below](#decoded-images). "
    "`true`: 8, `false`: none.",
    "hyperband.max_epochs": "Number of epochs for the configurations that reach the last rung.",
    "study.seed_of": "A trial of the search whose seed the weights, the order of the images and the augmentation have; "
    "`train` sets it, see [Training the best one longer](results.md#training-the-best-one-longer).",
    "hyperband.factor": "One in this many configurations is promoted to the next rung.",
    "hyperband.iterations": "How often the whole schedule runs, each time with new configurations.",
    "hyperband.min_epochs": "Brackets whose first rung would train for fewer epochs are left out.",
    "hyperband.sampler": "How configurations are drawn: at random, or by `tpe`, which learns from results, see "
    "[Samplers](#samplers).",
    "hyperband.mode": "How configurations are promoted from rung to rung.",
    "hyperband.baseline": "Also train the tutorial's choices, straight to `max_epochs`, for comparison.",
    "hyperband.start": "Files like `best.toml` and folders of studies, relative to the working directory: their "
    "configurations are evaluated first, see [Starting from earlier studies](#starting-from-earlier-studies).",
    "confirm.top": "How many of the best configurations are trained again from other seeds, and the baseline with "
    "them. 0: none.",
    "confirm.seeds": "How often each of them is trained again, from its first epoch to `max_epochs`.",
    "confirm.controls": "Also train the tutorial's network with the winner's recipe, and the winner's network with the "
    "default recipe, from the same seeds.",
    "recipe.optimizer": "Optimizer; `sgd` has momentum 0.9.",
    "recipe.learning_rate": "Initial learning rate.",
    "recipe.encoder_learning_rate": "The encoder learns at this many times the learning rate; its weight decay is not "
    "scaled.",
    "recipe.weight_decay": "Decoupled: each step shrinks weights by the fraction `learning_rate * weight_decay`.",
    "recipe.weight_decay_on": "`kernels`: no weight decay on biases and normalisation.",
    "recipe.schedule": "`poly`: decays to 0 over `max_epochs` as `(1 - step / steps) ** 0.9`; `cosine`: as half a "
    "wave; `constant`: no decay.",
    "recipe.warmup_epochs": "Number of initial epochs in which the learning rate rises from 0 to the schedule's.",
    "recipe.clip_norm": "Largest norm of the whole gradient; larger ones are scaled down to it. 0: no limit.",
    "recipe.ema": "Whether averaged weights (exponential moving average, momentum 0.95) are validated and exported.",
    "recipe.loss": "What training minimises, see [Losses](#losses).",
    "recipe.batch_size": "Images per step.",
    "recipe.freeze_encoder_epochs": "Number of initial epochs during which the encoder's weights are frozen.",
    "recipe.augment": "How training images are varied, see [Augmentation](#augmentation).",
    "recipe.precision": "`auto`: bfloat16 on GPUs with compute capability 8.0 or higher, float16 from 7.0, otherwise "
    "float32.",
    "limits.max_parameters": "Larger networks are not drawn.",
    "limits.max_macs": "Networks with more multiply-accumulates per image are not drawn.",
    "limits.max_latency_ms": "Networks that take longer per image, on this machine, are not drawn.",
    "limits.trial_minutes": "An attempt at a trial is ended after this time and counts as lost.",
    "limits.epoch_stall_minutes": "An attempt that takes no step for this long is ended and counts as lost.",
    "limits.retries": "How often a lost trial is retried, from its last complete epoch. If it is lost once more, its "
    "configuration is given up.",
    "limits.abort_after_failures": "The search stops when this many trials have failed and none has completed, "
    "or this many in a row for one reason.",
    "workers.executor": "Where trials run: `local` means processes on this machine.",
    "workers.count": "Number of concurrent trials; `--workers` overrides it. None: one per GPU; without a GPU, one.",
    "workers.threads": "Threads per trial on CPUs. None: as many as there are cores, regardless of `count`.",
    "workers.gpus_per_trial": "GPUs per trial, if there are any.",
    "space.encoder": "The encoder, see [Encoders](#encoders).",
    "space.output_stride": "Image pixels per cell of the ASPP's input feature map; later strides become dilation.",
    "space.aspp_tap": "Encoder layer that feeds the ASPP: `stage4`, `stage5` or a layer's name, see [Taps](#taps).",
    "space.aspp_filters": "Channels of each ASPP branch and of the projection that follows them.",
    "space.aspp_branches": "Number of dilated 3x3 branches.",
    "space.aspp_rate": "Smallest dilation rate, in cells of the feature map.",
    "space.aspp_pooling": "Whether there is an image-pooling branch.",
    "space.aspp_separable": "Depthwise-separable convolutions in the dilated branches.",
    "space.aspp_dropout": "Dropout rate after the ASPP's projection.",
    "space.low_level_filters": "Channels to which each low-level tap is projected; 0: no skip connection.",
    "space.low_level_tap": "Encoder layers that the decoder fuses, deepest first: `stage2`, or `stage3+stage2`, see "
    "[Taps](#taps).",
    "space.decoder_depth": "Number of 3x3 convolutions after each fusion.",
    "space.decoder_filters": "Channels of the decoder's convolutions.",
    "space.decoder_separable": "Depthwise-separable convolutions in the decoder.",
    "space.decoder_double_relu": "A ReLU before the decoder's normalisations as well as after them.",
    "space.normalization": "Normalisation in the head: `batch`, or `group` for batches too small for batch statistics.",
    **{f"space.aspp_gap_{branch}": f"Step from rate {branch - 1} to rate {branch}." for branch in range(2, 6)},
}
# What validators check in addition to types and bounds.
ALLOWED_BY_HAND = {
    "study.name": "letters, digits, `.`, `_`, `-`; a letter or digit first; at most 100",
    "study.directory": "a folder",
    "study.on_end": "a command with its arguments, quoted as in a shell",
    "study.objective": "`val_loss`, `val_mean_iou`, `val_pixel_accuracy`, `val_iou_<class>`",
    "data.path": "a folder",
    "data.image_size": "each 32 to 8192",
    "data.split": "`val`, `test`: shares; `group`: a regular expression",
    "hyperband.min_epochs": "1 to `max_epochs`",
}
DEFAULTS_BY_HAND = {
    "aspp_tap": f"the encoder's own (`{TUTORIAL.aspp_tap}`)",
    "low_level_tap": f"the encoder's own (`{'+'.join(TUTORIAL.low_level_tap)}`)",
}


def section_table(section: str) -> str:
    """The keys in one table of the study file."""
    rows = []
    for name, field in SECTIONS[section].model_fields.items():
        key = f"{section}.{name}"
        rows.append((f"`{name}`", _type(field.annotation), _default(field), _allowed(key, field), MEANINGS[key]))
    return _table(("key", "type", "default", "allowed", "meaning"), rows)


def format_table() -> str:
    """The formats, and whether they read from a path."""
    rows = []
    for name in FORMATS:
        chosen = load_format(name)
        rows.append((f"`{name}`", str(chosen.__doc__).partition("\n")[0], "needed" if chosen.needs_path else "none"))
    return _table(("format", "what it is", "`path`"), rows)


def option_table() -> str:
    """The keys of `[data]` that one format alone takes."""
    rows = []
    for name in FORMATS:
        for key, field in load_format(name).options.model_fields.items():
            kind, meaning = _type(field.annotation), str(field.description)
            rows.append((f"`{key}`", f"`{name}`", kind, _default(field), _allowed(key, field), meaning))
    return _table(("key", "format", "type", "default", "allowed", "meaning"), rows)


def hyperparameter_table() -> str:
    """The hyperparameters that `[space]` may contain."""
    rows = []
    for name, entry in CATALOGUE.items():
        meaning = MEANINGS.get(f"space.{name}") or f"See [recipe](#recipe). {MEANINGS[f'recipe.{name}']}"
        if name in CONDITIONS:
            condition = CONDITIONS[name]
            meaning += f" Only where `{condition.parent}` is {condition.wanted}."
        tutorial = DEFAULTS_BY_HAND.get(name) or _toml(entry.tutorial)
        rows.append((f"`{name}`", _kind(entry.kind), tutorial, _entry_allowed(name, entry), meaning))
    return _table(("hyperparameter", "type", "tutorial", "allowed", "meaning"), rows)


def encoder_table() -> str:
    """The encoders, with the layers that their stages and default taps refer to."""
    rows = []
    for name in ENCODERS:
        entry = encoder_entry(name)
        stages = (f"`{entry.stages[stage]}`" if stage in entry.stages else "-" for stage in STAGES)
        rows.append((f"`{name}`", *stages, f"`{'+'.join(entry.low_level)}`"))
    strides = (f"`{stage}` (stride {2 ** int(stage[-1])})" for stage in STAGES)
    return _table(("encoder", *strides, "low-level tap"), rows)


def free_keys() -> str:
    """The keys that may change when a study is continued."""
    return "".join(f"- `[{key.partition('.')[0]}] {key.partition('.')[2]}`\n" for key in sorted(FREE_KEYS))


TABLES: dict[str, Callable[[], str]] = {
    **{name: lambda section=name: section_table(section) for name in SECTIONS},  # type: ignore[misc]
    "formats": format_table,
    "options": option_table,
    "hyperparameters": hyperparameter_table,
    "encoders": encoder_table,
    "free": free_keys,
}


def updated(text: str) -> str:
    """The page, with every table regenerated from the code."""
    return BLOCK.sub(lambda block: f"{block[1]}{TABLES[block['name']]()}{block[3]}", text)


def main() -> int:
    """Write the page, or check that it agrees with the code."""
    text = PAGE.read_text(encoding="utf-8")
    if "--write" in sys.argv[1:]:
        PAGE.write_text(updated(text), encoding="utf-8")
        return 0
    if updated(text) != text:
        print(f"{PAGE} differs from the code; run: python docs/tables.py --write", file=sys.stderr)
        return 1
    return 0


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def _type(annotation: Any) -> str:
    if annotation == bool | float:
        return "true, false or number"
    annotation = _present(annotation)
    if get_origin(annotation) is Annotated:
        annotation = get_args(annotation)[0]
    if get_origin(annotation) is Literal:
        annotation = type(get_args(annotation)[0])
    if get_origin(annotation) is tuple:
        return "`[low, high]`" if get_args(annotation)[0] is float else "`[height, width]`"
    if get_origin(annotation) is list:
        return "list of texts"
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return "table"
    return _kind(annotation.__name__)


def _present(annotation: Any) -> Any:
    """An annotation without the None that it may also take."""
    if get_origin(annotation) not in (Union, UnionType):
        return annotation
    return next(part for part in get_args(annotation) if part is not type(None))


def _kind(name: str) -> str:
    return {"int": "whole number", "float": "number", "bool": "true or false", "str": "text"}[name]


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "**required**"
    return "none" if field.default is None else _toml(field.default)


def _allowed(key: str, field: FieldInfo) -> str:
    if key in ALLOWED_BY_HAND:
        return ALLOWED_BY_HAND[key]
    if get_origin(_present(field.annotation)) is Literal:
        return ", ".join(_toml(value) for value in get_args(_present(field.annotation)))
    if field.annotation is bool:
        return ""
    bounds = []
    for bound in field.metadata:
        match bound:
            case AfterValidator(func=OneOf(table=table)):
                bounds += [_toml(name) for name in table]
            case Ge(ge=least):
                bounds.append(f"{least} or more")
            case Gt(gt=least):
                bounds.append(f"above {least}")
            case Le(le=most):
                bounds.append(f"at most {most}")
            case Lt(lt=most):
                bounds.append(f"below {most}")
    return ", ".join(bounds)


def _entry_allowed(name: str, entry: Entry) -> str:
    if name == "encoder":
        return "[these](#encoders)"
    if entry.allowed:
        return ", ".join(_toml(value) for value in entry.allowed)
    if entry.kind in ("bool", "str"):
        return ""
    return f"{entry.low:g} or more" if entry.high == float("inf") else f"{entry.low:g} to {entry.high:g}"


def _toml(value: Any) -> str:
    return f"`{json.dumps(value)}`"


if __name__ == "__main__":
    sys.exit(main())
