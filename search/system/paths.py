"""Paths as people write them."""

from __future__ import annotations

from pathlib import Path


def expand_home(text: str) -> str:
    """A path with `~` or `~user` at its start replaced by that home; as it is where there is no such user.

    Shells do the same, but not inside quotes or after `=`, and nobody does it in a file.
    """
    if not text.startswith("~"):
        return text
    try:
        return str(Path(text).expanduser())
    except RuntimeError:
        return text
