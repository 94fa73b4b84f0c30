"""What the driver says while a study runs: one line per event."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from search.oracle.study_oracle import StudyOracle
from search.oracle.trials import StudyTrial
from search.system.wording import rounded
from search.terminal.live import SearchConsole
from search.terminal.tables import trial_line
from search.trial.contract import Device


class Announcer:
    """Words the events of a search for the terminal.

    Args:
        console: where lines appear.
        objective: the metric that is compared.
    """

    def __init__(self, console: SearchConsole, objective: str) -> None:
        self._console, self._objective = console, objective

    def say(self, line: str) -> None:
        """Any other line."""
        self._console.say(line)

    def warn(self, line: str) -> None:
        """A line about what went wrong, or is about to end."""
        self._console.say(line, "yellow")

    def started(self, trial: StudyTrial, device: Device) -> None:
        """A trial starts."""
        values = trial.hyperparameters.values
        rung = "outside the brackets"
        if trial.place is not None:
            rung = f"bracket {values['tuner/bracket']}, rung {values['tuner/round']}"
        first, last = values["tuner/initial_epoch"] + 1, values["tuner/epochs"]
        self.say(f"trial {trial.trial_id} starts  {rung}, epochs {first}-{last}, on {device.worker}")

    def epoch(self, trial: StudyTrial, row: Mapping[str, str]) -> None:
        """A trial has trained an epoch; `row` is of `epochs.csv`."""
        score = float(row[self._objective] or "nan")
        rate = float(row["images_per_second"] or "nan")
        epoch = f"epoch {row['epoch']}/{trial.hyperparameters.values['tuner/epochs']}"
        self.say(f"trial {trial.trial_id} {epoch}  {self._objective} {rounded(score)}  {rate:.1f} images/s")

    def ended(self, trial: StudyTrial, row: Mapping[str, Any], *, is_best: bool) -> None:
        """A trial has ended; `row` is of `trials.csv`, with numbers."""
        self._console.say(trial_line(row, self._objective), "" if trial.status == "COMPLETED" else "red")
        if is_best and trial.score is not None:
            self._console.say(f"best so far: trial {trial.trial_id}  {self._objective} {rounded(trial.score)}", "green")

    def drawn(self, oracle: StudyOracle) -> None:
        """Every configuration of the study has been drawn."""
        if oracle.rejected:
            counts = ", ".join(f"{count} by {reason}" for reason, count in oracle.rejected.most_common())
            self.say(f"drew {oracle.drawn} configurations; rejected {counts}")


def failed_alike(failed: list[StudyTrial], log: object) -> str:
    """Why a search stops in which trials fail one after the other for one reason, and what to do."""
    reason = failed[-1].record.get("error")
    return f"the last {len(failed)} trials failed, all with the same reason: {reason}\n{_advice(log)}"


def nothing_completed(failed: list[StudyTrial], log: object) -> str:
    """Why a search stops in which every trial so far has failed, and what to do."""
    reasons = {str(trial.record.get("error")) for trial in failed}
    who = "the first trial" if len(failed) == 1 else f"the first {len(failed)} trials"
    alike = ", all with the same reason" if len(reasons) == 1 < len(failed) else ""
    return f"{who} failed{alike}: {'; '.join(sorted(reasons))}\n{_advice(log)}"


def _advice(log: object) -> str:
    return (
        f"The details are in {log}.\n"
        "If the cause lies outside the study, such as a missing file, mend it, and the next run tries them again. If "
        "other settings or other data are needed, start anew with --fresh (the old study is kept aside). A larger "
        "abort_after_failures goes on without them."
    )
