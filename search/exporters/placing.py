"""Exports are written aside, and put in their place once they are whole."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from search.errors import UserError
from search.exporters import Details, Exporter
from search.system.exchange import put_in_place
from search.system.files import cannot_be_written, is_being_written, make_folder

if TYPE_CHECKING:
    import keras

_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def check_target(exporter: Exporter, folder: Path) -> None:
    """Raises UserError where an export would take the place of something else in `folder`."""
    path = folder / exporter.name
    if path.exists() and not exporter.may_replace(path):
        raise UserError(f"{path} exists and is not an earlier export; move it away or choose another --to.")


def export_model(exporter: Exporter, model: keras.Model, folder: Path, details: Details | None = None) -> Path:
    """Write a model into `folder`, in place of an earlier export, which stays whole until the new one is.

    Returns:
        The file or folder that was written.
    """
    with staging(folder) as staged:
        exporter.write(model, staged / exporter.name, details or Details())
        place([staged / exporter.name], folder)
    return folder / exporter.name


@contextlib.contextmanager
def staging(folder: Path) -> Iterator[Path]:
    """An empty hidden folder inside `folder`, which is created if need be; afterwards, both are gone if empty.

    What a killed process has left of such folders is removed. Raises UserError if `folder` cannot be written, or if a
    file in the block cannot, as on a full disk.
    """
    is_new = not folder.exists()
    make_folder(folder, "--to")
    for left in folder.glob(".export.*.tmp"):
        if not is_being_written(left):
            remove(left)
    staged = folder / f".export.{os.getpid()}.tmp"
    make_folder(staged, "--to")
    try:
        yield staged
    except OSError as error:
        # h5py has the system's reason in its text alone.
        raise cannot_be_written(folder, error.strerror or str(error), "--to") from error
    finally:
        remove(staged)
        if is_new and not any(folder.iterdir()):
            folder.rmdir()


def place(written: Sequence[Path], folder: Path) -> None:
    """Put files and folders that are whole into `folder`; an interruption waits until all of them are there."""
    with _uninterrupted():
        for path in written:
            put_in_place(path, folder / path.name)


def remove(path: Path) -> None:
    """Remove a file, or a folder with all that is in it."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


@contextlib.contextmanager
def _uninterrupted() -> Iterator[None]:
    """Signals that would end the process have their effect afterwards."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[int] = []
    # Not by masking them: of a process with many threads, another one would take the signal.
    before = {number: signal.signal(number, lambda number, _: came.append(number)) for number in _ENDING}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        for caught in came:
            os.kill(os.getpid(), caught)
