"""What people read of a trial's epochs, `epochs.csv` and TensorBoard's events: it follows from the checkpoint."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from search.study.folder import Study
from search.system.csv_files import append_csv, write_csv
from search.trial.checkpoint import TrainingState
from search.trial.contract import TrialSpec
from search.trial.validation import drop_other_epochs, read_best_epoch


class TrialHistory:
    """A trial's `epochs.csv` and events, made consistent with its checkpoint if a kill came between two writes."""

    def __init__(self, spec: TrialSpec, state: TrainingState) -> None:
        # TensorBoard is heavy, and a driver that imports this module only hands it to the trial's process.
        from search.trial.events import TrialEvents

        self._spec = spec
        self._file = spec.folder / "epochs.csv"
        write_csv(self._file, spec.columns, state.rows)
        run = Study(Path(spec.study)).tensorboard / spec.run
        self._events = TrialEvents(run, spec.trial_id, state.rows, spec.first_epoch)
        self.show_best(state)

    def add(self, row: Mapping[str, Any]) -> None:
        """Append an epoch."""
        append_csv(self._file, self._spec.columns, [row])
        self._events.add(row)

    def show_best(self, state: TrainingState) -> None:
        """Show pictures and confusion of the best epoch in TensorBoard; those of earlier ones go."""
        if state.best_epoch is None:
            return
        folder = self._spec.folder / "best"
        best = read_best_epoch(folder, state.best_epoch)
        if best is not None:
            drop_other_epochs(folder, state.best_epoch)
            when = next(row["time"] for row in state.rows if row["epoch"] == state.best_epoch)
            self._events.show_best(best, state.best_epoch, when, self._spec.class_names)
