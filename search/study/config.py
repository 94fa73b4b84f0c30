"""The study file: TOML in, a validated and complete configuration out."""

from __future__ import annotations

import functools
import shlex
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SerializeAsAny, create_model, field_validator

from datasets import FORMATS, DataError, FormatOptions, Framing, Orientation, Resize, SplitSettings, load_format
from recipe import Recipe
from search.errors import UserError
from search.study.choices import EXECUTORS, PROMOTIONS, SAMPLERS, OneOf
from search.study.ids import is_trial_id
from search.study.scoring import ScoreRule
from search.system.paths import expand_home

# What `[data] cache = true` means.
DEFAULT_CACHE_GB = 8.0


def _path_text(text: str) -> str:
    """A path with the home that `~` stands for, so that both spellings are one setting."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError("expected a path in UTF-8, as a study file can hold no other; make a link to it") from None
    return expand_home(text)


PathText = Annotated[str, AfterValidator(_path_text)]


class Section(BaseModel):
    """A table of the study file: its keys are known, its values fixed once read."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class StudySection(Section):
    """`[study]`: the name, where it is kept, the seed, and what is optimised."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=100)
    directory: PathText = "results"
    seed: int = Field(default=0, ge=0, lt=2**31)
    objective: str = "val_mean_iou"
    score: ScoreRule = "best"
    on_end: str | None = None
    seed_of: str | None = None

    @field_validator("seed_of")
    @classmethod
    def _is_trial(cls, trial_id: str | None) -> str | None:
        if trial_id is not None and not is_trial_id(trial_id):
            raise ValueError("expected the id of a trial, such as 0007-2")
        return trial_id

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


class DataSection(Section):
    """`[data]`: where images come from, and the size to train at; `data_section` adds what one format alone takes."""

    format: Annotated[str, AfterValidator(OneOf(FORMATS))]
    path: PathText | None = None
    image_size: tuple[int, int] = Field(strict=False)  # TOML has only arrays, which strict pydantic refuses
    resize: Resize = "stretch"
    scale: float = Field(default=1.0, gt=0, le=8)
    split: SplitSettings | None = None
    orientation: Orientation | None = None
    mask_suffix: str = ""
    classes: int | None = Field(default=None, ge=1, le=255)
    ignore_index: int | None = Field(default=None, ge=0, le=255)
    channels: int = Field(default=3, ge=1, le=16)
    value_range: tuple[float, float] | None = Field(default=None, strict=False)
    cache: bool | float = Field(default=True, ge=0)  # in GB

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

    @field_validator("value_range")
    @classmethod
    def _ascending(cls, limits: tuple[float, float] | None) -> tuple[float, float] | None:
        if limits is not None and not limits[0] < limits[1]:
            raise ValueError(f"expected [low, high] with low below high, given {list(limits)}")
        return limits

    @property
    def framing(self) -> Framing:
        """How images are brought to the network's input."""
        return Framing(self.image_size, self.resize, self.scale)

    @property
    def cache_bytes(self) -> float:
        """How many bytes of decoded images may be kept on disk."""
        return (DEFAULT_CACHE_GB if self.cache is True else float(self.cache)) * 2**30

    def options(self) -> dict[str, Any]:
        """Arguments of `datasets.open_dataset` beside the format and the seed."""
        return self.model_dump(exclude={"format", "cache"}, exclude_none=True)


class _DataOfUnknownFormat(DataSection):
    """`[data]` whose format is refused, so that it cannot be known which keys it takes."""

    model_config = ConfigDict(extra="allow")


def data_section(table: Any) -> type[DataSection]:
    """The model of `[data]` for the format named there, with the keys that this format alone takes.

    Raises:
        UserError: a package that the format needs is not installed.
    """
    name = table.get("format") if isinstance(table, dict) else None
    if not isinstance(name, str) or name not in FORMATS:
        return _DataOfUnknownFormat
    try:
        return _extended(load_format(name).options)
    except DataError as error:
        raise UserError(f"[data] format: {error}") from None


@functools.cache
def _extended(options: type[FormatOptions]) -> type[DataSection]:
    bases: Any = (options, DataSection)
    return create_model("DataSection", __base__=bases)


class HyperbandSection(Section):
    """`[hyperband]`: the schedule (see `search.oracle.schedule`)."""

    max_epochs: int = Field(ge=1)
    factor: int = Field(default=3, ge=2)
    iterations: int = Field(default=1, ge=1)
    min_epochs: int = Field(default=1, ge=1)
    sampler: Annotated[str, AfterValidator(OneOf(SAMPLERS))] = "random"
    mode: Annotated[str, AfterValidator(OneOf(PROMOTIONS))] = "synchronous"
    baseline: bool = True
    start: list[PathText] = Field(default=[])


class ConfirmSection(Section):
    """`[confirm]`: what is trained again from other seeds before a winner is named."""

    top: int = Field(default=0, ge=0)
    seeds: int = Field(default=2, ge=1, le=99)
    controls: bool = False


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

    executor: Annotated[str, AfterValidator(OneOf(EXECUTORS))] = "local"
    count: int | None = Field(default=None, ge=1)
    threads: int | None = Field(default=None, ge=1)
    gpus_per_trial: Literal[1] = 1


class StudyConfig(Section):
    """Everything a study is made from. `space` stays as written; `space.Space.parse` reads it."""

    study: StudySection
    # Otherwise pydantic would omit the keys of one format when it writes `study.toml`.
    data: SerializeAsAny[DataSection]
    hyperband: HyperbandSection
    confirm: ConfirmSection = Field(default_factory=ConfirmSection)
    space: dict[str, Any] = Field(default_factory=dict)
    recipe: Recipe = Field(default_factory=Recipe)
    limits: LimitsSection = Field(default_factory=LimitsSection)
    workers: WorkersSection = Field(default_factory=WorkersSection)

    @field_validator("data", mode="before")
    @classmethod
    def _with_options(cls, table: Any) -> Any:
        # Mistakes in the keys of one format are reported like those in any other key.
        return data_section(table).model_validate(table)

    @field_validator("space")
    @classmethod
    def _with_paths(cls, space: dict[str, Any]) -> dict[str, Any]:
        weights = space.get("encoder_weights")
        if isinstance(weights, str):
            return {**space, "encoder_weights": _path_text(weights)}
        if isinstance(weights, dict):
            expanded = {name: _path_text(file) if isinstance(file, str) else file for name, file in weights.items()}
            return {**space, "encoder_weights": expanded}
        return space

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
