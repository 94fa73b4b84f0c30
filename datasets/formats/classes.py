"""The classes and what masks say of them: from classes.json, the study's settings, or both if they agree."""

from __future__ import annotations

from codecs import BOM_UTF8
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, NamedTuple

from pydantic import BaseModel, Field, StringConstraints, ValidationError

from datasets.dataset import DEFAULT_IGNORE_INDEX, DataError

# The file may come with untrusted data; the longest list of names is far shorter.
_MOST_BYTES = 1_000_000
_BINARY_NAMES = ("background", "object")

Color = tuple[int, int, int]
ColorText = Annotated[str, StringConstraints(strict=True, pattern=r"^#[0-9a-fA-F]{6}$")]
ValueText = Annotated[str, StringConstraints(strict=True, pattern=r"^\d{1,9}$")]

# Without control characters, because names appear in terminals and in CSV headers.
ClassName = Annotated[str, StringConstraints(strict=True, pattern=r"^[^\x00-\x1f\x7f]{1,100}$")]


class Labels(NamedTuple):
    """What the values of masks mean.

    Attributes:
        names: of the classes, in id order.
        classes: number of outputs, 1 for binary data, which have two `names`.
        ignore_index: the id that no loss or metric counts.
        mirror: pairs of class ids that change places when an image is mirrored.
        colors: class id, or `ignore_index`, of each RGB colour of masks that are read by colour.
        ids: class id, or `ignore_index`, of each value of masks whose values are no class ids.
        threshold: in binary data, the least grey value of the object in masks with grey edges.
    """

    names: tuple[str, ...]
    classes: int
    ignore_index: int
    mirror: tuple[tuple[int, int], ...] = ()
    colors: Mapping[Color, int] | None = None
    ids: Mapping[int, int] | None = None
    threshold: int | None = None


class _ClassesFile(BaseModel):
    """classes.json; any further keys (name, licence ...) are left to the user."""

    # Masks are uint8, and one of their 256 values has to remain for ignored pixels.
    classes: Annotated[list[ClassName], Field(min_length=2, max_length=255)]
    ignore_index: Annotated[int | None, Field(strict=True, ge=0, le=255)] = None
    colors: list[ColorText] | None = None
    ignore_colors: list[ColorText] | None = None
    ids: dict[ValueText, ClassName | None] | None = None
    mirror: list[tuple[ClassName, ClassName]] = []
    threshold: Annotated[int | None, Field(strict=True, ge=1, le=65535)] = None


def read_labels(folder: Path, classes: int | None, ignore_index: int | None) -> Labels:
    """The classes of the data in `folder`.

    Raises:
        DataError: classes.json is damaged or disagrees with `classes`, or neither names the classes.
    """
    file = folder / "classes.json"
    if not file.exists():
        return _without_file(file, classes, ignore_index)
    content = _parse(file)
    ignored = content.ignore_index if ignore_index is None else ignore_index
    labels = checked_labels(content.classes, classes, ignored, file)
    return _with_meanings(labels, content, file)


def checked_labels(
    names: Sequence[str],
    classes: int | None,
    ignore_index: int | None,
    source: Path,
    colors: Mapping[Color, int] | None = None,
) -> Labels:
    """The labels of data whose classes are known.

    Args:
        names: of the classes, in id order, found in `source`.
        classes: number of outputs that the study asks for; None takes that of the names.
        ignore_index: the id to ignore; None: 255.
        source: the file or folder that names the classes.
        colors: class id of each colour, where masks are in colours.

    Raises:
        DataError: they do not agree, or a name comes twice.
    """
    outputs = len(names) if classes is None else classes
    if outputs != len(names) and not (outputs == 1 and len(names) == 2):
        raise DataError(
            f"classes = {classes} does not match {source}, which names {len(names)}: {', '.join(names[:10])}"
            f"{', ...' if len(names) > 10 else ''}. Leave classes out, or set it to {len(names)}"
            f"{' or 1 (binary)' if len(names) == 2 else ''}.",
            source,
        )
    if len(set(names)) != len(names):
        raise DataError(f"{source} names a class twice: {', '.join(names)}.", source)
    ignored = DEFAULT_IGNORE_INDEX if ignore_index is None else ignore_index
    return _checked(Labels(tuple(names), outputs, ignored, colors=colors))


def _with_meanings(labels: Labels, content: _ClassesFile, file: Path) -> Labels:
    """`labels` with what classes.json says of colours, values, mirroring and the threshold."""
    if content.threshold is not None and (len(labels.names) != 2 or content.colors or content.ids):
        raise DataError(f"{file}: threshold is for two classes, without colors and ids; leave it out.", file)
    return labels._replace(
        mirror=tuple((_id(first, labels, file), _id(second, labels, file)) for first, second in content.mirror),
        colors=_colors(content, labels, file),
        ids=None
        if content.ids is None
        else {int(value): _id(name, labels, file) for value, name in content.ids.items()},
        threshold=content.threshold,
    )


def _id(name: str | None, labels: Labels, file: Path) -> int:
    if name is None:
        return labels.ignore_index
    if name not in labels.names:
        raise DataError(f"{file} speaks of {name!r}, which is none of its classes: {', '.join(labels.names)}.", file)
    return labels.names.index(name)


def _colors(content: _ClassesFile, labels: Labels, file: Path) -> dict[Color, int] | None:
    if content.colors is None:
        if content.ignore_colors:
            raise DataError(f"{file} has ignore_colors, but no colors: name one for each class.", file)
        return None
    if len(content.colors) != len(labels.names):
        raise DataError(
            f"{file} has {len(content.colors)} colors for {len(labels.names)} classes; expected one for each, in the "
            "same order. Colours of pixels that are ignored belong in ignore_colors.",
            file,
        )
    listed = [(parse_color(text), index) for index, text in enumerate(content.colors)]
    listed += [(parse_color(text), labels.ignore_index) for text in content.ignore_colors or ()]
    found = dict(listed)
    if len(found) != len(listed):
        raise DataError(f"{file} gives a colour twice; each class, and what is ignored, needs its own.", file)
    return found


def parse_color(text: str) -> Color:
    """The colour that "#rrggbb" describes."""
    red, green, blue = bytes.fromhex(text.removeprefix("#"))
    return red, green, blue


def _without_file(file: Path, classes: int | None, ignore_index: int | None) -> Labels:
    if classes is None:
        raise DataError(
            f"The number of classes is unknown: set classes (binary: 1), or create {file} with "
            '{"classes": ["background", "..."], "ignore_index": 255}.',
            file,
        )
    if not 1 <= classes <= 255:
        raise DataError(f"classes must be 1 (binary) or 2 to 255; got {classes}.")
    names = _BINARY_NAMES if classes == 1 else tuple(f"class_{index}" for index in range(classes))
    return _checked(Labels(names, classes, DEFAULT_IGNORE_INDEX if ignore_index is None else ignore_index))


def _checked(labels: Labels) -> Labels:
    if not len(labels.names) <= labels.ignore_index <= 255:
        raise DataError(
            f"ignore_index must be greater than the class ids 0 to {len(labels.names) - 1} and at most 255; got "
            f"{labels.ignore_index}. Leave it out if no pixels are ignored."
        )
    return labels


def _parse(file: Path) -> _ClassesFile:
    try:
        with file.open("rb") as opened:
            content = opened.read(_MOST_BYTES + 1)
    except OSError as error:
        raise DataError(f"Cannot read {file}: {error.strerror}.", file) from error
    if len(content) > _MOST_BYTES:
        raise DataError(f"{file} is larger than {_MOST_BYTES:,} bytes; expected a short list of class names.", file)
    try:
        return _ClassesFile.model_validate_json(content.removeprefix(BOM_UTF8))
    except ValidationError as error:
        details = "; ".join(
            f"{'.'.join(map(str, item['loc'])) or 'file'}: {item['msg']}"
            for item in error.errors(include_url=False)[:5]
        )
        raise DataError(
            f'{file} is not valid: {details}. Expected {{"classes": [names in id order], "ignore_index": 255}}.', file
        ) from error
