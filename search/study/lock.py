"""Who drives a study: one process at a time, which holds a lock and describes itself in `driver.json`."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Iterator
from typing import Any

import filelock

from search.errors import UserError
from search.study.folder import Study
from search.system.files import read_json, write_json
from search.system.machine import now

_KINDS = {"process": int, "host": str, "started": str, "workers": int, "configurations": int}


@contextlib.contextmanager
def lock_study(study: Study) -> Iterator[None]:
    """Be the study's only driver while the block runs.

    It is the operating system's lock, so a dead process does not hold it.

    Raises:
        UserError: another process drives the study.
    """
    lock = filelock.FileLock(study.lock_file)
    try:
        lock.acquire(timeout=0)
    except filelock.Timeout:
        driver = _read_driver(study)
        raise UserError(
            f"{study.folder}: another run drives this study (process {driver.get('process', '?')} on "
            f"{driver.get('host', '?')}, since {driver.get('started', '?')}). Follow it with: "
            f"deeplab-search status {study.folder}"
        ) from None
    try:
        write_json(study.driver_file, {"process": os.getpid(), "host": socket.gethostname(), "started": now()})
        yield
    finally:
        study.driver_file.unlink(missing_ok=True)
        lock.release()


def is_driven(study: Study) -> bool:
    """Whether a driver runs the study at this moment; only looks, and takes no lock.

    A driver on another machine cannot be asked: it counts as running until it has signed off.
    """
    driver = _read_driver(study)
    if not {"process", "host"} <= driver.keys():
        return False
    if driver["host"] != socket.gethostname():
        return True
    try:
        os.kill(driver["process"], 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def note_plan(study: Study, *, workers: int, configurations: int) -> None:
    """Tell `status` how many trials run at a time, and how many configurations the space supplies."""
    write_json(study.driver_file, {**_read_driver(study), "workers": workers, "configurations": configurations})


def noted_plan(study: Study) -> tuple[int, int | None]:
    """The workers and configurations that the present driver has noted; one worker and None if there is no driver."""
    driver = _read_driver(study)
    return driver.get("workers", 1), driver.get("configurations")


def _read_driver(study: Study) -> dict[str, Any]:
    """What `driver.json` says; empty if it is missing or damaged."""
    found = read_json(study.driver_file)
    if not isinstance(found, dict):
        return {}
    return {name: value for name, value in found.items() if isinstance(value, _KINDS.get(name, object))}
