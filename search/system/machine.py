"""The clock and the installed versions of this machine."""

from __future__ import annotations

import contextlib
import importlib.metadata
import platform
from datetime import datetime


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that results depend on."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            found[package] = importlib.metadata.version(package)
    return found


def project_version() -> str:
    """The version of this project, as it was installed."""
    try:
        return importlib.metadata.version("deeplab-search")
    except importlib.metadata.PackageNotFoundError:
        return "unknown"


def now() -> str:
    """The local time with its offset, to the second."""
    return datetime.now().astimezone().isoformat(timespec="seconds")


PACKAGES = ("tensorflow", "tensorflow-cpu", "keras", "keras-tuner", "tensorboard", "numpy", "pandas")
