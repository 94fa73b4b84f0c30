"""The study file: TOML in, a validated and complete configuration out."""

from __future__ import annotations

import re
import shlex
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import tomli_w
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from recipe import Recipe
from search.errors import UserError

NOT_AVAILABLE = {
    "hyperband.start": "a list of starting configurations",
    "workers.address": "a cluster address",
}
NOT_AVAILABLE_VALUES = {
    ("hyperband.sampler", "tpe"): "random",
    ("workers.executor", "ray"): "local",
    **{("data.format", name): "folder, synthetic" for name in ("camvid", "voc", "cityscapes", "coco", "tfds")},
}
# Dots in a key of a TOML file; our own have one or two.
DEEPEST = 50
# What may change between runs of one study: it has no influence on which trials run and what they give.
FREE_KEYS = frozenset(
    {"study.directory", "study.on_end", "limits.retries", "limits.trial_minutes", "limits.epoch_stall_minutes"}
    | {"limits.abort_after_failures", "workers.executor", "workers.count", "data.cache"}
    # The fingerprint says whether data at another place are the same.
    | {"data.path"}
)

# What `[data] cache = true` means.
DEFAULT_CACHE_GB = 8.0


class Section(BaseModel):
    """A table of the study file: its keys are known, its values fixed once read."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class StudySection(Section):
    """`[study]`: the name, where it is kept, the seed, and what is optimised."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=100)
    directory: str = "results"
    seed: int = Field(default=0, ge=0, lt=2**31)
    objective: str = Field(default="val_mean_iou", pattern=r"^val_.+$")
    on_end: str | None = None

    @field_validator("on_end")
    @classmethod
    def _is_command(cls, command: str | None) -> str | None:
        try:
            is_empty = command is not None and not shlex.split(command)
        except ValueError as error:
            raise ValueError(f"expected a command with its arguments, quoted as in a shell ({error})") from None
        if is_empty:
            raise ValueError("expected a command with its arguments")
        return command

    @property
    def direction(self) -> Literal["min", "max"]:
        """Losses are minimised, every other metric is maximised."""
        return "min" if self.objective == "val_loss" else "max"


class DataSection(Section):
    """`[data]`: where images come from, and the size to train at."""

    format: Literal["folder", "synthetic"]
    path: str | None = None
    image_size: tuple[int, int] = Field(strict=False)
    classes: int | None = Field(default=None, ge=1, le=255)
    ignore_index: int | None = Field(default=None, ge=0, le=255)
    cache: bool | float = Field(default=True, ge=0)  # in GB
    train_images: int | None = Field(default=None, ge=1)
    val_images: int | None = Field(default=None, ge=1)
    test_images: int | None = Field(default=None, ge=1)

    @field_validator("cache", mode="before")
    @classmethod
    def _switch_or_size(cls, cache: Any) -> Any:
        # Here, because pydantic reports a mistake once for each of the two types.
        if not isinstance(cache, (bool, int, float)) or cache < 0:
            raise ValueError("expected true, false, or a size in GB of 0 or more")
        return cache

    @field_validator("image_size")
    @classmethod
    def _large_enough(cls, size: tuple[int, int]) -> tuple[int, int]:
        if min(size) < 32 or max(size) > 8192:
            raise ValueError(f"height and width must be 32 to 8192 pixels, given {list(size)}")
        return size

    @property
    def cache_bytes(self) -> float:
        """Most bytes of decoded images that are kept on disk."""
        return (DEFAULT_CACHE_GB if self.cache is True else float(self.cache)) * 2**30

    def options(self) -> dict[str, Any]:
        """Arguments of `datasets.open_dataset` beside the format and the seed."""
        return self.model_dump(exclude={"format", "cache"}, exclude_none=True)


class HyperbandSection(Section):
    """`[hyperband]`: the schedule (see `search.schedule`)."""

    max_epochs: int = Field(ge=1)
    factor: int = Field(default=3, ge=2)
    iterations: int = Field(default=1, ge=1)
    min_epochs: int = Field(default=1, ge=1)
    sampler: Literal["random"] = "random"
    baseline: bool = True


class LimitsSection(Section):
    """`[limits]`: what a network may cost, and what a trial may take."""

    max_parameters: int | None = Field(default=None, ge=1)
    max_macs: int | None = Field(default=None, ge=1)
    max_latency_ms: float | None = Field(default=None, gt=0)
    trial_minutes: float | None = Field(default=None, gt=0)
    epoch_stall_minutes: float | None = Field(default=None, gt=0)
    retries: int = Field(default=1, ge=0)
    abort_after_failures: int = Field(default=5, ge=1)


class WorkersSection(Section):
    """`[workers]`: where trials run, and how many at a time."""

    executor: Literal["local"] = "local"
    count: int | None = Field(default=None, ge=1)
    threads: int | None = Field(default=None, ge=1)
    gpus_per_trial: Literal[1] = 1


class StudyConfig(Section):
    """Everything a study is made from. `space` stays as written; `space.Space.parse` reads it."""

    study: StudySection
    data: DataSection
    hyperband: HyperbandSection
    space: dict[str, Any] = Field(default_factory=dict)
    recipe: Recipe = Field(default_factory=Recipe)
    limits: LimitsSection = Field(default_factory=LimitsSection)
    workers: WorkersSection = Field(default_factory=WorkersSection)

    @property
    def folder(self) -> Path:
        """The study folder."""
        return Path(self.study.directory) / self.study.name

    @property
    def encoder_weights(self) -> str | dict[str, str]:
        """`"imagenet"`, `"none"`, a file's path, or a table of these by encoder."""
        weights: str | dict[str, str] = self.space.get("encoder_weights", "imagenet")
        return weights

    def weights_of(self, encoder: str) -> str | None:
        """What `deeplab.build_model` takes as `encoder_weights` for one encoder."""
        weights = self.encoder_weights
        chosen = weights.get(encoder, "imagenet") if isinstance(weights, dict) else weights
        return None if chosen == "none" else chosen

    def ranges(self) -> dict[str, Any]:
        """The hyperparameters of `[space]`, without the encoder weights."""
        return {key: value for key, value in self.space.items() if key != "encoder_weights"}


def load_config(path: Path, overrides: Sequence[str] = (), directory: str | None = None) -> StudyConfig:
    """Read and validate a study file.

    Args:
        path: the TOML file. A study's own `study.toml` is one too (what it froze beside the config is left out).
        overrides: `key=value` with a dotted key and a TOML value, as given to `--set`.
        directory: replaces `[study] directory`.

    Raises:
        UserError: the file is missing or not TOML, or its content is wrong; every mistake in one message.
    """
    table = read_toml(path, "study file")
    table.pop("frozen", None)
    for override in overrides:
        _apply_override(table, override)
    if directory is not None and isinstance(table.setdefault("study", {}), dict):
        table["study"]["directory"] = directory
    return parse_config(table, str(path))


def parse_config(table: Mapping[str, Any], source: str) -> StudyConfig:
    """Validate a study file's content; `source` names it in the message. Raises UserError."""
    problems = _unavailable(table)
    if problems:
        raise UserError(_message(source, problems))
    try:
        config = StudyConfig.model_validate(table)
    except ValidationError as error:
        raise UserError(_message(source, [_problem(detail) for detail in error.errors()])) from None
    problems = _contradictions(config, table)
    if problems:
        raise UserError(_message(source, problems))
    return config


def read_toml(path: Path, what: str) -> dict[str, Any]:
    """The content of a TOML file. Raises UserError where it is missing, unreadable or not TOML."""
    try:
        text = path.read_text()
        if any(line.partition("=")[0].count(".") > DEEPEST for line in text.splitlines()):
            raise RecursionError  # the parser takes hours over such a key
        return tomllib.loads(text)
    except FileNotFoundError:
        raise UserError(f"{what} {path} does not exist.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{what} {path} cannot be read: {error}.") from None
    except ValueError as error:  # tomllib's own, and that of a number with too many digits
        raise UserError(f"{what} {path} is not TOML: {error}.") from None
    except RecursionError:
        raise UserError(f"{what} {path} is not TOML that can be read: it is nested too deeply.") from None


def differences(old: StudyConfig, new: StudyConfig) -> list[str]:
    """Keys in which a study on disk and a study file differ, with both values; free ones are left out."""
    before, after = flatten(to_table(old)), flatten(to_table(new))
    found = []
    for key in sorted(before.keys() | after.keys()):
        one, other = before.get(key), after.get(key)
        grown = key == "hyperband.iterations" and int(other or 0) > int(one or 0)
        if one != other and key not in FREE_KEYS and not grown:
            found.append(f"{key}: the study has {_shown(one)}, the file says {_shown(other)}")
    return found


def to_table(config: StudyConfig) -> dict[str, Any]:
    """The configuration as plain TOML values; what is None is left out."""
    table = config.model_dump(mode="json", exclude_none=True)
    # A searched training choice has no fixed value beside its range.
    table["recipe"] = {key: value for key, value in table["recipe"].items() if key not in config.space}
    return {section: values for section, values in table.items() if values}


def to_toml(table: Mapping[str, Any]) -> str:
    """A table as TOML text."""
    return tomli_w.dumps(table)


def flatten(table: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested tables as one, with dotted keys."""
    flat: dict[str, Any] = {}
    for key, value in table.items():
        flat |= flatten(value, f"{prefix}{key}.") if isinstance(value, Mapping) else {f"{prefix}{key}": value}
    return flat


def _apply_override(table: dict[str, Any], override: str) -> None:
    key, equals, text = override.partition("=")
    parts = key.strip().split(".")
    if not equals or not all(re.fullmatch(r"[A-Za-z0-9_-]+", part) for part in parts) or len(parts) < 2:
        raise UserError(f"--set: given {override!r}; expected section.key=value, as in hyperband.max_epochs=9.")
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        value = text.strip()
    for part in parts[:-1]:
        table = table.setdefault(part, {})
        if not isinstance(table, dict):
            raise UserError(f"--set: given {override!r}, but {part} is no table.")
    table[parts[-1]] = value


def _unavailable(table: Mapping[str, Any]) -> list[str]:
    flat = {key: value for key, value in flatten(table).items() if isinstance(key, str)}
    problems = [f"{_bracket(key)}: {what} is not available." for key, what in NOT_AVAILABLE.items() if key in flat]
    for (key, value), instead in NOT_AVAILABLE_VALUES.items():
        if flat.get(key) == value:
            problems.append(f"{_bracket(key)}: {value!r} is not available; available: {instead}.")
    return problems


def _contradictions(config: StudyConfig, table: Mapping[str, Any]) -> list[str]:
    problems = [
        f"[space] {key}: also given in [recipe]; name it in one of the two."
        for key in table.get("recipe", {})
        if key in config.space
    ]
    if config.recipe.optimizer == "adam" and table.get("recipe", {}).get("weight_decay"):
        problems.append("[recipe] weight_decay: optimizer 'adam' has none; use 'adamw', or leave it out.")
    band = config.hyperband
    if band.min_epochs > band.max_epochs:
        problems.append(
            f"[hyperband] min_epochs (={band.min_epochs}) must not be above max_epochs (={band.max_epochs})."
        )
    data = config.data
    if data.format == "folder" and data.path is None:
        problems.append("[data] path: missing; format 'folder' needs the folder of the images and masks.")
    synthetic = [key for key in ("train_images", "val_images", "test_images") if getattr(data, key) is not None]
    if data.format != "synthetic" and synthetic:
        problems.append(f"[data] {', '.join(synthetic)}: only for format 'synthetic'.")
    if data.format == "synthetic" and data.path is not None:
        problems.append("[data] path: format 'synthetic' draws its images and has none.")
    weights = config.space.get("encoder_weights", "imagenet")
    named = weights.values() if isinstance(weights, dict) else [weights]
    if not all(isinstance(name, str) and name for name in named):
        problems.append(
            f"[space] encoder_weights: given {weights!r}; expected 'imagenet', 'none', a file's path, or a table "
            "{EncoderName = one of these}."
        )
    return problems


def _problem(detail: Mapping[str, Any]) -> str:
    """One pydantic error as: the key, what was given, what is allowed."""
    section, *rest = [str(part) for part in detail["loc"]]
    key = f"[{section}] {'.'.join(rest)}" if rest else f"[{section}]"
    kind, given = detail["type"], detail["input"]
    if kind == "missing":
        return f"{key}: missing." if rest else f"{key}: the table is missing."
    if kind == "extra_forbidden":
        return f"{key}: unknown key; {_known_keys(section, bool(rest))}."
    if kind in ("model_type", "dict_type"):
        return f"{key}: given {_shown(given)}; expected a table."
    message = str(detail["msg"]).removeprefix("Value error, ").removeprefix("Input ")
    return f"{key}: given {_shown(given)}; {message}."


def _known_keys(section: str, inside: bool) -> str:
    if not inside:
        return f"there are {', '.join(f'[{name}]' for name in StudyConfig.model_fields)}"
    model = StudyConfig.model_fields[section].annotation
    return f"there are {', '.join(model.model_fields)}" if model is not None and hasattr(model, "model_fields") else ""


def _message(source: str, problems: Sequence[str]) -> str:
    if len(problems) == 1:
        return f"{source}: {problems[0]}"
    return f"{source}: {len(problems)} mistakes:\n" + "\n".join(f"  - {problem}" for problem in problems)


def _bracket(key: str) -> str:
    section, _, rest = key.partition(".")
    return f"[{section}] {rest}"


def _shown(value: Any) -> str:
    return "nothing" if value is None else f"{value!r}"
