"""One trial in its own process: from a `TrialSpec` to an `Outcome`, both plain data."""

from __future__ import annotations

import contextlib
import os
import sys
import time
import traceback
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from search.study.folder import Study
from search.study.ids import ancestors_of
from search.system.csv_files import append_csv, write_csv
from search.system.files import write_json
from search.trial.checkpoint import TrainingState, copy_checkpoint, read_state, save_checkpoint, weights_file
from search.trial.contract import Outcome, Status, TrialSpec
from search.trial.device import prepare_device
from search.trial.failures import one_line, status_of
from search.trial.validation import drop_other_epochs, read_best_epoch, write_best_epoch

if TYPE_CHECKING:
    from datasets import Dataset
    from search.trial.training import EpochResult, Trainer

# The trial's progress file is replaced at most this often, in seconds.
PROGRESS_INTERVAL = 0.5


def run_trial(spec: TrialSpec) -> Outcome:
    """Run a trial from its last whole epoch to its end; the entry point of the trial's process.

    Never raises: whatever goes wrong becomes an outcome, its traceback in the trial's `log.txt`.
    """
    started = time.perf_counter()
    folder = Study(Path(spec.study)).trial(spec.trial_id)
    with _log_to(folder / "log.txt"):
        try:
            prepare_device(spec.device)
            status = TrialRun(spec, folder).run()
            error = "the loss is not finite" if status == "diverged" else None
        # This is the boundary of the process: every failure is reported as the trial's outcome, and logged whole.
        except Exception as failure:  # noqa: BLE001
            traceback.print_exc()
            status = status_of(failure)
            error = one_line(failure)
    state = read_state(folder / "last") or TrainingState()
    return Outcome(
        status,
        rows=state.rows,
        best_epoch=state.best_epoch,
        score=state.best_score,
        train_seconds=round(state.train_seconds, 3),
        total_seconds=round(time.perf_counter() - started, 3),
        error=error,
    )


class TrialRun:
    """The epochs of one trial, each made durable before the next begins."""

    def __init__(self, spec: TrialSpec, folder: Path) -> None:
        self.spec = spec
        self.folder = folder
        self.study = Study(Path(spec.study))
        self._reported = 0.0

    def run(self) -> Status:
        # Where the last checkpoint is damaged, the best one is a whole one before it.
        kept = (read_state(self.folder / name) for name in ("last", "best"))
        state = next((state for state in kept if state is not None), TrainingState(epoch=self.spec.first_epoch))
        self._mend_best(state)
        self.open_history(state)
        if state.epoch >= self.spec.last_epoch:
            return "completed"
        self._progress("start", 0, 0, 0.0, state.epoch + 1)
        trainer = self.continued_trainer(state)
        for epoch in range(state.epoch + 1, self.spec.last_epoch + 1):
            if self.study.stop_file.exists():
                return "interrupted"
            self._epoch = epoch
            result = trainer.train_epoch(epoch)
            if result.diverged:
                return "diverged"
            self.keep(trainer, state, result)
        return "completed"

    def continued_trainer(self, state: TrainingState) -> Trainer:
        """A trainer after the last epoch of `state`, from the newest weights of the configuration that can be read.

        Where those are older, because a file is damaged, the epochs since are trained again: they come out the same.
        """
        for epoch, weights in [*self._weights_to_continue(state), (0, None)]:
            trainer = self._trainer(state.epoch + 1, weights)
            try:
                if weights is not None:
                    trainer.restore(weights)
            # h5py and Keras raise errors of many kinds on damaged files; older weights serve as well.
            except Exception:  # noqa: BLE001
                traceback.print_exc()
                continue
            self._catch_up(trainer, epoch, state)
            return trainer
        raise AssertionError("training from the start needs no weights")

    def _weights_to_continue(self, state: TrainingState) -> list[tuple[int, Path]]:
        """(epoch, weights) of every whole checkpoint of the configuration up to the state's epoch, the newest first."""
        last_epoch = state.epoch
        if state.best_epoch is not None and weights_file(self.folder / "best") is None:
            # The best epoch's checkpoint is lost too: on the way it is made again.
            last_epoch = state.best_epoch - 1
        names = [self.spec.trial_id, *ancestors_of(self.spec.trial_id)]
        found = []
        for folder in (self.study.trial(name) / kind for name in names for kind in ("last", "best")):
            held, weights = read_state(folder), weights_file(folder)
            if held is not None and weights is not None and held.epoch <= last_epoch:
                found.append((held.epoch, weights))
        return sorted(found, key=lambda pair: pair[0], reverse=True)

    def _catch_up(self, trainer: Trainer, epoch: int, state: TrainingState) -> None:
        """Train again the epochs after `epoch` that the state says are done."""
        for done in range(epoch + 1, state.epoch + 1):
            print(f"epoch {done} is trained again: its checkpoint is damaged", flush=True)
            self._epoch = done
            trainer.train_epoch(done)
            if done == state.best_epoch:
                rows = [row for row in state.rows if row["epoch"] <= done]
                save_checkpoint(self.folder / "best", trainer.model, replace(state, epoch=done, rows=rows))

    def _trainer(self, epoch: int, weights: Path | None) -> Trainer:
        from deeplab import Architecture
        from recipe import Recipe
        from search.trial.training import Trainer

        spec = self.spec
        self._epoch = epoch
        return Trainer(
            Architecture(**spec.architecture),
            Recipe(**spec.recipe),
            self._open_data(),
            tuple(spec.data["image_size"]),
            max_epochs=spec.max_epochs,
            # A checkpoint replaces the pretrained weights anyway.
            encoder_weights=None if weights else spec.encoder_weights,
            seed=spec.seed,
            progress=lambda phase, step, steps, rate: self._progress(phase, step, steps, rate, self._epoch),
        )

    def _open_data(self) -> Dataset:
        from datasets import DataError
        from datasets.cache import open_cache
        from datasets.formats import open_dataset

        dataset = open_dataset(self.spec.data_format, seed=self.spec.data_seed, **self.spec.data)
        found = {split: dataset.length(split) for split in self.spec.images}
        if found != self.spec.images:
            raise DataError(f"the data have changed since the search started: {self.spec.images} images, now {found}")
        return open_cache(Path(self.spec.cache), dataset) or dataset

    def keep(self, trainer: Trainer, state: TrainingState, result: EpochResult) -> None:
        """Make an epoch durable: the checkpoint first, then everything that can be derived from it."""
        row = {"trial_id": self.spec.trial_id, "config_id": self.spec.config_id, "time": time.time(), **result.row}
        state.epoch = row["epoch"]
        state.rows.append(row)
        state.train_seconds += row["seconds"]
        score = row[self.spec.objective.name]
        is_best = self.spec.objective.is_better(score, state.best_score)
        if is_best:
            state.best_epoch, state.best_score = row["epoch"], score
            write_best_epoch(self.folder / "best", state.best_epoch, trainer.picture(result))
        save_checkpoint(self.folder / "last", trainer.model, state)
        if is_best:
            copy_checkpoint(self.folder / "last", self.folder / "best", state)
        self._add_history(row)
        if is_best:
            self._show_best(state)

    def _show_best(self, state: TrainingState) -> None:
        """Pictures and confusion of the best epoch in TensorBoard; those of earlier ones go."""
        if state.best_epoch is None:
            return
        best = read_best_epoch(self.folder / "best", state.best_epoch)
        if best is not None:
            drop_other_epochs(self.folder / "best", state.best_epoch)
            when = next(row["time"] for row in state.rows if row["epoch"] == state.best_epoch)
            self._events.show_best(best, state.best_epoch, when, self.spec.class_names)

    def _mend_best(self, state: TrainingState) -> None:
        """Copy the best epoch's checkpoint where a kill came between the two: it is the last one then."""
        best, last = read_state(self.folder / "best"), weights_file(self.folder / "last")
        if last is not None and state.best_epoch == state.epoch and (best is None or best.epoch != state.epoch):
            copy_checkpoint(self.folder / "last", self.folder / "best", state)

    def open_history(self, state: TrainingState) -> None:
        """`epochs.csv` and the events follow from the checkpoint: mend them where a kill came between the writes."""
        from search.trial.events import TrialEvents

        path, spec = self.folder / "epochs.csv", self.spec
        write_csv(path, spec.columns, state.rows)
        self._events = TrialEvents(self.study.tensorboard / spec.run, spec.trial_id, state.rows, spec.first_epoch)
        self._show_best(state)

    def _add_history(self, row: dict[str, Any]) -> None:
        append_csv(self.folder / "epochs.csv", self.spec.columns, [row])
        self._events.add(row)

    def _progress(self, phase: str, step: int, steps: int, rate: float, epoch: int) -> None:
        now = time.time()
        if now - self._reported < PROGRESS_INTERVAL and step not in (0, steps):
            return
        self._reported = now
        report = {
            "time": now,
            "phase": phase,
            "epoch": epoch,
            "last_epoch": self.spec.last_epoch,
            "step": step,
            "steps": steps,
            "images_per_second": round(rate, 1),
            "worker": self.spec.device.worker,
        }
        write_json(self.folder / "progress.json", report, durable=False)


@contextlib.contextmanager
def _log_to(path: Path) -> Iterator[None]:
    """Send all output of this process, that of C libraries too, to the end of a file."""
    sys.stdout.flush()
    sys.stderr.flush()
    with path.open("ab", buffering=0) as log:
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)
    try:
        yield
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
