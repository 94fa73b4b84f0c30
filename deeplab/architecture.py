"""`Architecture`: one DeepLabV3+ network as plain data, convertible to and from TOML."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal

import tomli_w
from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator

from .encoders import encoder_entry
from .taps import resolve_aspp_tap, resolve_low_level_tap

Filters = Annotated[int, Field(ge=1, strict=True)]


class Architecture(BaseModel):
    """The choices that define one network. Frozen and hashable; the defaults are the tutorial's network.

    Two architectures are equal if and only if their networks are: taps are resolved to layer names, and a field without
    effect is set to its default (`low_level_tap` without skip connections; `aspp_separable` without dilated branches;
    the `decoder_*` fields at depth 0).

    Attributes:
        encoder: a name in `ENCODERS`.
        output_stride: input pixels per cell of the ASPP's input feature map: 8, 16 or 32.
        aspp_tap: encoder layer that feeds the ASPP: a layer's name, `stage4`, `stage5`; empty: the encoder's own.
        low_level_filters: channels to which each low-level tap is projected; 0: no skip connection, and the decoder's
            convolutions run at the output stride.
        low_level_tap: encoder layers that the decoder fuses, deepest first; empty: the encoder's own.
        aspp_filters: channels of each ASPP branch and of the projection that follows them.
        aspp_rates: dilation rates of the 3x3 branches, ascending, in cells of the tapped feature map.
        aspp_pooling: whether there is an image-pooling branch.
        aspp_separable: whether the dilated branches use depthwise-separable convolutions.
        aspp_dropout: dropout rate after the projection.
        decoder_depth: number of 3x3 convolutions after each fusion.
        decoder_filters: their channels.
        decoder_separable: whether they are depthwise-separable.
        decoder_double_relu: whether there is a ReLU before the normalisation as well as after it, as in the tutorial.
        normalization: normalisation in the head: "batch", or "group" for batches too small for batch statistics.

    Raises:
        pydantic.ValidationError: a field is out of range, an encoder or layer is unknown, or taps are in the wrong
            order.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)

    encoder: str = "ResNet50"
    output_stride: Literal[8, 16, 32] = 16
    aspp_tap: str = ""
    low_level_filters: Annotated[int, Field(ge=0, strict=True)] = 48
    low_level_tap: tuple[str, ...] = ()
    aspp_filters: Filters = 256
    aspp_rates: tuple[Annotated[int, Field(ge=1, strict=True)], ...] = Field(default=(6, 12, 18), max_length=5)
    aspp_pooling: bool = True
    aspp_separable: bool = False
    aspp_dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    decoder_depth: Annotated[int, Field(ge=0, le=4, strict=True)] = 2
    decoder_filters: Filters = 256
    decoder_separable: bool = False
    decoder_double_relu: bool = True
    normalization: Literal["batch", "group"] = "batch"

    @field_validator("encoder")
    @classmethod
    def _known(cls, value: str) -> str:
        return encoder_entry(value).name

    @field_validator("aspp_tap")
    @classmethod
    def _resolve_aspp_tap(cls, value: str, info: ValidationInfo) -> str:
        if not {"encoder", "output_stride"} <= info.data.keys():
            return value  # reported already
        return resolve_aspp_tap(info.data["encoder"], info.data["output_stride"], value)

    @field_validator("low_level_tap", mode="before")
    @classmethod
    def _one_or_many(cls, value: Any) -> Any:
        return (value,) if isinstance(value, str) and value else value or ()

    @field_validator("low_level_tap")
    @classmethod
    def _resolve_low_level_tap(cls, value: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        if not info.data.get("aspp_tap") or "low_level_filters" not in info.data:
            return value  # reported already
        if info.data["low_level_filters"] == 0:
            return ()
        encoder = info.data["encoder"]
        return resolve_low_level_tap(encoder, info.data["aspp_tap"], value or encoder_entry(encoder).low_level)

    @field_validator("aspp_rates")
    @classmethod
    def _ascending(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        if list(value) != sorted(set(value)):
            raise ValueError(f"dilation rates must be strictly ascending; given: {list(value)}")
        return value

    @field_validator("aspp_separable", "decoder_filters", "decoder_separable", "decoder_double_relu")
    @classmethod
    def _default_without_effect(cls, value: Any, info: ValidationInfo) -> Any:
        owner = "aspp_rates" if info.field_name == "aspp_separable" else "decoder_depth"
        if info.data.get(owner, True):
            return value
        return cls.model_fields[str(info.field_name)].default

    def to_toml(self) -> str:
        """A TOML document with one table, `[architecture]`."""
        return tomli_w.dumps({"architecture": self.model_dump(mode="json")})

    @classmethod
    def from_toml(cls, source: str | Path) -> Architecture:
        """Read a TOML document or file, with the fields in an `[architecture]` table or at top level.

        Raises:
            ValueError: the file is missing or is not TOML, `architecture` is not a table, or a field is wrong.
        """
        text = _read(source)
        try:
            document = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise ValueError(f"not TOML: {error}") from error
        table = document.get("architecture", document)
        if not isinstance(table, dict):
            raise ValueError(f"architecture must be a table; given: {table!r}")
        return cls(**table)


TUTORIAL = Architecture()


def _read(source: str | Path) -> str:
    is_path = isinstance(source, Path) or ("\n" not in source and source.endswith(".toml"))
    if not is_path:
        return str(source)
    try:
        return Path(source).read_text(encoding="utf-8")
    except OSError as error:
        raise ValueError(f"cannot read {source}: {error.strerror}") from error
