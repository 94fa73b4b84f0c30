"""A trial's checkpoint: weights, optimizer state and history, replaced in one step.

A checkpoint folder (`last/`, `best/`) holds `state.json` and the weights of its epoch. The weights of a new epoch are
written next to those of the epoch before; they count once `state.json` has been replaced. It records their size and
checksum, and the version of Keras that wrote them.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter, ValidationError

from search.system.files import checksum, read_json, sync_directory, write_json

if TYPE_CHECKING:
    import keras

STATE = "state.json"
# Keys in it.
CHECKSUM, WRITER = "crc32", "keras"
# Starts the name of a weights file that is still being written.
PARTIAL = "partial-"


@dataclass
class TrainingState:
    """Where a trial stands after its last whole epoch.

    Attributes:
        epoch: the last whole epoch, counted from 1 over all rungs.
        rows: one dict per epoch that this trial trained itself, as in `epochs.csv`.
        best_epoch: the epoch among `rows` that stands for the trial (see `search.study.scoring`).
        best_score: the trial's score.
        train_seconds: time spent in training and validation, summed over all attempts.
    """

    epoch: int = 0
    rows: list[dict[str, Any]] = field(default_factory=list)
    best_epoch: int | None = None
    best_score: float | None = None
    train_seconds: float = 0.0


_STATE = TypeAdapter(TrainingState)


def save_checkpoint(folder: Path, model: keras.Model, state: TrainingState) -> None:
    """Durably replace the checkpoint in `folder` by the model (with its optimizer) and `state`."""
    import keras

    from search.trial.weights import write_weights

    folder.mkdir(parents=True, exist_ok=True)
    weights = _weights_name(state.epoch)
    # Keras insists on the ending, so a prefix marks the unfinished file.
    partial = folder / f"{PARTIAL}{weights}"
    write_weights(model, partial, weights_file(folder))
    _sync_file(partial)
    partial.replace(folder / weights)
    _switch(folder, weights, state, {CHECKSUM: checksum(folder / weights), WRITER: keras.__version__})


def copy_checkpoint(source: Path, folder: Path, state: TrainingState) -> None:
    """Make `folder` the same checkpoint as `source`, sharing the weights' bytes if the file system can."""
    folder.mkdir(parents=True, exist_ok=True)
    weights = _weights_name(state.epoch)
    target = folder / weights
    target.unlink(missing_ok=True)
    try:
        # A link's bytes are durable already, and cost neither time nor space.
        os.link(source / weights, target)
    except OSError:
        shutil.copyfile(source / weights, target)
        _sync_file(target)
    content = _content(source)
    _switch(folder, weights, state, {key: content[key] for key in (CHECKSUM, WRITER) if key in content})


def read_state(folder: Path) -> TrainingState | None:
    """The state of the checkpoint in `folder`, or None if it is missing or incomplete; its weights may be damaged."""
    try:
        state = _STATE.validate_python(_content(folder).get("state"))
        # A state whose rows do not end at its epoch was damaged or edited.
        is_whole = not state.rows or state.rows[-1]["epoch"] == state.epoch
    except (KeyError, ValidationError):
        return None
    return state if is_whole else None


def weights_file(folder: Path) -> Path | None:
    """The weights of the checkpoint in `folder` (Keras `.weights.h5`), or None if they are incomplete."""
    state = read_state(folder)
    if state is None:
        return None
    path = folder / _weights_name(state.epoch)
    # Studies of earlier versions did not record the size.
    size = _content(folder).get("bytes")
    return path if path.is_file() and size in (None, path.stat().st_size) else None


def recorded_checksum(folder: Path) -> int | None:
    """The checksum that the weights in `folder` were written with; None if an earlier version wrote them."""
    found = _content(folder).get(CHECKSUM)
    return found if isinstance(found, int) else None


def writer_of(folder: Path) -> str | None:
    """The version of Keras that wrote the checkpoint in `folder`; None if an earlier version of the project did."""
    found = _content(folder).get(WRITER)
    return found if isinstance(found, str) else None


def _content(folder: Path) -> dict[str, Any]:
    found = read_json(folder / STATE)
    return found if isinstance(found, dict) else {}


def _switch(folder: Path, weights: str, state: TrainingState, facts: Mapping[str, Any]) -> None:
    size = (folder / weights).stat().st_size
    write_json(folder / STATE, {"weights": weights, "bytes": size, **facts, "state": asdict(state)})
    for other in folder.glob("*.weights.h5"):
        if other.name != weights:
            other.unlink(missing_ok=True)


def _weights_name(epoch: int) -> str:
    return f"epoch_{epoch:04d}.weights.h5"


def _sync_file(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())
    sync_directory(path.parent)
