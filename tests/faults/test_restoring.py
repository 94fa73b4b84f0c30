"""A checkpoint is restored, or its file is damaged and its epochs are trained again, or the attempt says why not."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from search.trial.checkpoint import STATE, read_state, weights_file
from search.trial.contract import TrialSpec
from search.trial.failures import CheckpointError, one_line, status_of
from search.trial.recovery import continued_trainer, last_state
from search.trial.run import TrialRun
from search.trial.testing import FILE, read_test
from search.trial.training import Trainer

pytestmark = pytest.mark.timeout(600)


@pytest.fixture
def trial(stopped: TrialSpec, tmp_path: Path) -> TrialSpec:
    """A trial that was ended after the first of its epochs."""
    shutil.copytree(stopped.study, tmp_path / "study")
    return replace(stopped, study=str(tmp_path / "study"))


def checkpoints(trial: TrialSpec) -> list[Path]:
    return [trial.folder / "last", trial.folder / "best"]


def continue_trial(spec: TrialSpec) -> Trainer:
    return continued_trainer(spec, last_state(spec), lambda *_: None)


def forget_checksums(trial: TrialSpec) -> None:
    """Make the checkpoints those of the first version, which recorded none."""
    for folder in checkpoints(trial):
        content = json.loads((folder / STATE).read_text())
        kept = {key: content[key] for key in ("weights", "bytes", "state")}
        (folder / STATE).write_text(json.dumps(kept))


def zero_values(content: bytes) -> bytes:
    """Zeros in the last quarter, which holds values alone: HDF5 reads them without a word."""
    start = 3 * len(content) // 4
    return content[:start] + bytes(len(content) - start)


def zero_start(content: bytes) -> bytes:
    return bytes(2048) + content[2048:]


@pytest.mark.parametrize(
    ("damage", "checksum"),
    [(zero_values, True), pytest.param(zero_start, True, marks=pytest.mark.long), (zero_start, False)],
)
def test_what_is_wrong_with_the_file_costs_its_epochs(
    trial: TrialSpec, damage: Callable[[bytes], bytes], checksum: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    for folder in checkpoints(trial):
        weights = weights_file(folder)
        assert weights is not None
        weights.write_bytes(damage(weights.read_bytes()))
    if not checksum:
        forget_checksums(trial)
    trainer = continue_trial(trial)
    assert "epoch 1 is trained again: its checkpoint is damaged" in capsys.readouterr().out
    assert int(trainer.model.optimizer.iterations) == 3


def test_a_checkpoint_of_an_earlier_version_is_restored(trial: TrialSpec, capsys: pytest.CaptureFixture[str]) -> None:
    forget_checksums(trial)
    trainer = continue_trial(trial)
    assert "again" not in capsys.readouterr().out
    assert int(trainer.model.optimizer.iterations) == 3


@pytest.mark.parametrize(
    "error",
    [
        pytest.param(MemoryError(), marks=pytest.mark.long),
        tf.errors.ResourceExhaustedError(None, None, "OOM when allocating"),
    ],
)
def test_memory_that_runs_out_while_a_checkpoint_is_restored_is_no_damage(
    trial: TrialSpec, monkeypatch: pytest.MonkeyPatch, error: Exception, capsys: pytest.CaptureFixture[str]
) -> None:
    restore = Trainer.restore

    def fail(*_: object) -> None:
        raise error

    def restore_without_memory(trainer: Trainer, weights: Path) -> None:
        with monkeypatch.context() as patched:
            patched.setattr(keras.Variable, "assign", fail)
            restore(trainer, weights)

    monkeypatch.setattr(Trainer, "restore", restore_without_memory)
    before = read_state(trial.folder / "last")
    with pytest.raises(type(error)) as raised:
        continue_trial(trial)
    assert status_of(raised.value) == "out_of_memory"
    assert "again" not in capsys.readouterr().out
    assert read_state(trial.folder / "last") == before


def test_memory_that_runs_out_while_a_checkpoint_is_checked_is_no_damage(
    trial: TrialSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: Path) -> str:
        raise MemoryError

    monkeypatch.setattr("search.trial.damage.checksum", fail)
    with pytest.raises(MemoryError):
        continue_trial(trial)


@pytest.mark.parametrize("change", ["optimizer", "network"])
def test_a_network_that_has_changed_is_no_damage(
    trial: TrialSpec, change: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """As if another version of Keras kept the optimizer's state, or built a layer, in another way."""
    changed = (
        replace(trial, recipe=trial.recipe | {"optimizer": "sgd"})
        if change == "optimizer"
        else replace(trial, architecture=trial.architecture | {"decoder_filters": 16})
    )
    with pytest.raises(CheckpointError) as raised:
        continue_trial(changed)
    assert status_of(raised.value) == "interrupted"
    said = one_line(raised.value)
    assert f"Keras {keras.__version__} wrote it; this is Keras {keras.__version__}." in said
    assert f"remove {trial.folder / 'last'} to train its epochs again" in said
    assert ("Skipping variable loading for optimizer" if change == "optimizer" else "shape") in said
    assert "again" not in capsys.readouterr().out
    # Nothing is lost: where everything is as before, the trial continues.
    assert int(continue_trial(trial).model.optimizer.iterations) == 3


def test_the_test_split_is_scored_once_also_where_the_checkpoint_is_damaged(trial: TrialSpec) -> None:
    spec = replace(trial, last_epoch=1, scores_test=True)
    assert TrialRun(spec).run() == "completed"
    scored = read_test(spec.folder)
    assert scored is not None
    assert len(scored.hits) == 1
    before = (spec.folder / FILE).stat().st_mtime_ns
    assert TrialRun(spec).run() == "completed"
    assert (spec.folder / FILE).stat().st_mtime_ns == before
    # Killed before the file was written, and the weights are damaged: their epoch is trained again.
    (spec.folder / FILE).unlink()
    for folder in checkpoints(spec):
        weights = weights_file(folder)
        assert weights is not None
        content = weights.read_bytes()
        weights.unlink()  # the two may share their bytes
        weights.write_bytes(zero_values(content))
    assert TrialRun(spec).run() == "completed"
    again = read_test(spec.folder)
    assert again is not None
    np.testing.assert_array_equal(scored.matrix, again.matrix)
