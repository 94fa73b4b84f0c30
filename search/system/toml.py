"""Reading and writing TOML."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tomli_w

from search.errors import UserError


def read_toml(path: Path, what: str) -> dict[str, Any]:
    """The content of a TOML file. Raises UserError where it is missing, unreadable or not TOML."""
    name = f"{what} {path}"
    try:
        text = path.read_text(encoding="utf-8-sig")  # Windows editors put a mark before the text
    except FileNotFoundError:
        raise UserError(f"{name} does not exist.") from None
    except OSError as error:
        raise UserError(f"{name} cannot be read: {error}.") from None
    except UnicodeDecodeError as error:
        raise UserError(
            f"{name} cannot be read: it is not UTF-8 text (byte {error.start + 1}). Save it as UTF-8."
        ) from None
    return parse_toml(text, name)


def parse_toml(text: str, name: str) -> dict[str, Any]:
    """The content of TOML text, which `name` names in messages. Raises UserError where it is something else."""
    try:
        if _dots_in_keys(text) > DEEPEST:
            raise RecursionError  # the parser takes hours over such a key
        return tomllib.loads(text)
    except ValueError as error:  # tomllib's own, and that of a number with too many digits
        raise UserError(f"{name} is not TOML: {error}.") from None
    except RecursionError:
        raise UserError(f"{name} is not TOML that can be read: it is nested too deeply.") from None


def to_toml(table: Mapping[str, Any]) -> str:
    """A table as TOML text."""
    return tomli_w.dumps(table)


def toml_value(value: Any) -> str:
    """A value as TOML text in one line, as people write lists and small tables."""
    if isinstance(value, Mapping):
        return f"{{ {', '.join(f'{key} = {toml_value(one)}' for key, one in value.items())} }}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(toml_value, value))}]"
    return tomli_w.dumps({"value": value}).partition("=")[2].strip()


def flatten(table: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested tables as one, with dotted keys."""
    flat: dict[str, Any] = {}
    for key, value in table.items():
        flat |= flatten(value, f"{prefix}{key}.") if isinstance(value, Mapping) else {f"{prefix}{key}": value}
    return flat


def _dots_in_keys(text: str) -> int:
    """The most dots that one key has; those in strings and comments are not counted."""
    bare = _STRING_OR_COMMENT.sub(lambda found: "" if found[0].startswith("#") else "string", text)
    return max((word.count(".") for word in _DOTTED.findall(bare)), default=0)


# Dots in a key of a TOML file; our own have one or two.
DEEPEST = 50
# Where the end of a string is missing, the rest of the file or line counts as one: the parser does not get past it.
_STRING_OR_COMMENT = re.compile(
    "|".join(
        (
            r'"""(?:\\.|[^\\])*?(?:"{3,5}|\Z)',
            r"'''.*?(?:'{3,5}|\Z)",
            r'"(?:\\.|[^"\\\n])*"?',
            r"'[^'\n]*'?",
            r"#[^\n]*",
        )
    ),
    re.DOTALL,
)
_DOTTED = re.compile(r"[\w\-. \t]+")
