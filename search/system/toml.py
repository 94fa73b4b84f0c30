"""Reading and writing TOML."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tomli_w

from search.errors import UserError


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


def to_toml(table: Mapping[str, Any]) -> str:
    """A table as TOML text."""
    return tomli_w.dumps(table)


def flatten(table: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested tables as one, with dotted keys."""
    flat: dict[str, Any] = {}
    for key, value in table.items():
        flat |= flatten(value, f"{prefix}{key}.") if isinstance(value, Mapping) else {f"{prefix}{key}": value}
    return flat


# Dots in a key of a TOML file; our own have one or two.
DEEPEST = 50
