"""Which version wrote a study: the format of its folder, the project and the packages.

A study lives longer than a version of the project. `[frozen]` of its `study.toml` says which format its folder has and
which version drove it last; where nothing is said, that was version 0.1 with format 1.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from search.errors import UserError
from search.system.machine import project_version, versions

# Raised by every change of the study folder that earlier versions would misread. 2 records format and project.
FORMAT = 2
_FIRST = {"format": 1, "project": "0.1.0"}
# Packages whose versions decide on scores, or on how trials are kept.
_DECIDING = ("tensorflow", "keras", "keras-tuner")


def own_version() -> dict[str, Any]:
    """What a study records of the version that drives it."""
    return {"format": FORMAT, "project": project_version()}


def recorded_version(frozen: Mapping[str, Any]) -> dict[str, Any]:
    """The version that drove a study last; `frozen` is its table of that name."""
    return {name: frozen.get(name, first) for name, first in _FIRST.items()}


def is_of_another_version(frozen: Mapping[str, Any]) -> bool:
    """Whether a study was driven last by another version than this one."""
    return recorded_version(frozen) != own_version()


def check_format(path: Path, frozen: Mapping[str, Any]) -> None:
    """Refuse a study in a format that is newer than this version. Raises UserError saying which one continues it."""
    found = recorded_version(frozen)["format"]
    if not isinstance(found, int) or found > FORMAT:
        raise UserError(
            f"{path} was written by {_shown(frozen)}; this is version {project_version()}, which reads formats up to "
            f"{FORMAT}. {_advice(frozen)}"
        )


def not_understood(path: Path, frozen: Mapping[str, Any], reason: str) -> UserError:
    """The error for a study that this version cannot take over from the one that wrote it."""
    return UserError(
        f"{path} was written by {_shown(frozen)}, and this version, {project_version()}, does not understand it: "
        f"{reason}\n{_advice(frozen)}"
    )


def packages_note(frozen: Mapping[str, Any]) -> list[str]:
    """A note where a study was started with other versions of the packages that decide on its scores."""
    before, here = _deciding(frozen.get("versions", {})), _deciding(versions())
    changed = [name for name in _DECIDING if name in before and before[name] != here.get(name)]
    if not changed:
        return []
    listed = ", ".join(f"{name} {before[name]} (now {here.get(name, 'missing')})" for name in changed)
    return [f"the study was started with {listed}; further scores may differ from what those would give"]


def _deciding(installed: Mapping[str, str]) -> dict[str, str]:
    """Versions by package; TensorFlow's two distributions are one package."""
    return {name.removesuffix("-cpu"): version for name, version in installed.items()}


def _shown(frozen: Mapping[str, Any]) -> str:
    version = recorded_version(frozen)
    return f"deeplab-search {version['project']} (format {version['format']})"


def _advice(frozen: Mapping[str, Any]) -> str:
    project = recorded_version(frozen)["project"]
    return f"Nothing was changed. Continue it with version {project}: git checkout v{project}"
