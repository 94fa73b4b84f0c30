"""The driver: asks the oracle for trials, hands them to the executor, and folds what comes back into the study."""

from __future__ import annotations

import concurrent.futures
import contextlib
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from types import FrameType

from datasets import Dataset
from deeplab import cost
from search.driver.specification import make_specification
from search.errors import Interrupted, SearchStopped
from search.executors import Executor
from search.oracle.factory import make_oracle, preview
from search.oracle.identity import config_id, configuration_of
from search.oracle.limits import Limits
from search.oracle.schedule import make_schedule
from search.oracle.trials import StudyTrial
from search.results.publisher import Publisher
from search.results.snapshot import Snapshot, take_snapshot
from search.study.config import StudyConfig
from search.study.folder import Study
from search.study.ids import BASELINE
from search.study.lock import note_plan
from search.system.disk import check_room
from search.system.machine import now
from search.terminal.live import SearchConsole
from search.terminal.tables import trial_line
from search.trial.checkpoint import TrainingState, read_state
from search.trial.contract import Device, Outcome
from space import Space

# How often running trials are looked at, in seconds.
POLL = 0.25


@dataclass
class Running:
    """A trial in flight."""

    trial: StudyTrial
    device: Device
    future: concurrent.futures.Future[Outcome]
    started: float
    ended_because: str | None = None


class Driver:
    """Runs one study to its end.

    Args:
        study: its folder, created and locked.
        config: the resolved configuration.
        space: the search space of it.
        dataset: opened, for class names and sizes.
        limits: which points may take a trial.
        executor: where trials run.
        console: where progress is shown.
    """

    def __init__(
        self,
        study: Study,
        config: StudyConfig,
        space: Space,
        dataset: Dataset,
        limits: Limits,
        executor: Executor,
        console: SearchConsole,
    ) -> None:
        self.study, self.config, self.space, self.dataset = study, config, space, dataset
        self._executor, self._console = executor, console
        self._objective = config.study.objective
        self.oracle = make_oracle(config, space, limits)
        self.oracle.attach(study)
        self._publisher = Publisher(study, config, space, self.oracle, dataset.class_names)
        self._schedule = make_schedule(config.hyperband).limited_to(len(preview(self.oracle, config, space)))
        rejected = self.oracle.rejected.most_common()
        if rejected:
            counts = ", ".join(f"{count} by {reason}" for reason, count in rejected)
            console.say(f"drew {self._schedule.configurations} configurations; rejected {counts}")
        note_plan(study, workers=len(executor.devices), configurations=self._schedule.configurations)
        self._running: list[Running] = []
        self._interrupts = 0

    def run(self) -> Snapshot:
        """Run or continue the study; returns its final state.

        Raises:
            SearchStopped: going on is pointless.
            Interrupted: the user stopped it.
        """
        self.study.stop_file.unlink(missing_ok=True)
        self._try_all_again()
        self.study.finished_file.unlink(missing_ok=True)
        self._publisher.start()
        with self._interruptible():
            self._resume()
            while self._start_trials() or self._running:
                self._publisher.show_workers(len(self._running))
                self._wait()
                self._console.update(self._snapshot)
        self._publisher.show_workers(0)
        self.study.stop_file.unlink(missing_ok=True)
        if self._interrupts:
            raise Interrupted
        self._publisher.ledger.rebuild_trials(self.oracle)
        self._publisher.ledger.rebuild_epochs(self.oracle)  # in the trials' order, however they came
        self.study.finished_file.touch()
        return self._snapshot()

    # Starting

    def _resume(self) -> None:
        for trial in self.oracle.ongoing_trials.values():
            self._console.say(f"trial {trial.trial_id} continues after its last whole epoch")
            self._created(trial)  # killed before this, it has no size yet
        baseline = self.config.hyperband.baseline
        if baseline and BASELINE not in self.oracle.trials:
            architecture, recipe = self.space.baseline()
            values = self.space.values(architecture, recipe)
            self._created(self.oracle.create_baseline(BASELINE, values, config_id(architecture, recipe)))

    def _try_all_again(self) -> None:
        """Where a search had ended because nothing but failures came, its cause lay outside and is mended now."""
        count = 1 if self.study.finished_file.exists() else self.config.limits.abort_after_failures
        if self.oracle.has_only_failed(count):
            failed = self.oracle.reopen()
            self._console.say(f"all {len(failed)} trials had failed; they are tried again")

    def _start_trials(self) -> bool:
        """Fill the free workers; True if one was."""
        started = False
        while not self._interrupts and (device := self._free_device()) is not None:
            trial = self._waiting_trial() or self._next_trial()
            if trial is None:
                break
            self._submit(trial, device)
            started = True
        return started

    def _free_device(self) -> Device | None:
        taken = {running.device.worker for running in self._running}
        return next((device for device in self._executor.devices if device.worker not in taken), None)

    def _waiting_trial(self) -> StudyTrial | None:
        """A trial that was created, but does not run: after a restart, or to be tried again."""
        in_flight = {running.trial.trial_id for running in self._running}
        waiting = (trial for trial in self.oracle.ongoing_trials.values() if trial.trial_id not in in_flight)
        return next(waiting, None)

    def _next_trial(self) -> StudyTrial | None:
        trial = self.oracle.create_trial(f"slot{len(self.oracle.trials)}")
        if trial.status != "RUNNING":
            return None
        self._created(trial)
        return trial

    def _created(self, trial: StudyTrial) -> None:
        architecture, _ = configuration_of(self.space, trial.trial_id, trial.hyperparameters.values)
        size = cost(architecture, self.config.data.image_size, self.dataset.classes)
        trial.record |= {"parameters": size.parameters, "macs": size.macs}
        self.oracle.save_trial(trial)

    def _submit(self, trial: StudyTrial, device: Device) -> None:
        record = trial.record
        check_room(self.study.folder, record["parameters"])
        record |= {"status": "running", "worker": device.worker, "attempts": record["attempts"] + 1}
        record.setdefault("started", now())
        self.oracle.save_trial(trial)
        (self.study.trial(trial.trial_id) / "progress.json").unlink(missing_ok=True)
        future = self._executor.submit(
            make_specification(self.study, self.config, self.space, self.dataset, trial, device)
        )
        self._running.append(Running(trial, device, future, time.time()))
        values = trial.hyperparameters.values
        rung = "baseline" if trial.place is None else f"bracket {values['tuner/bracket']}, rung {values['tuner/round']}"
        first, last = values["tuner/initial_epoch"] + 1, values["tuner/epochs"]
        self._console.say(f"trial {trial.trial_id} starts  {rung}, epochs {first}-{last}, on {device.worker}")
        self._publisher.ledger.update_trials(self.oracle)

    # Waiting

    def _wait(self) -> None:
        futures = [running.future for running in self._running]
        concurrent.futures.wait(futures, timeout=POLL, return_when=concurrent.futures.FIRST_COMPLETED)
        for running in list(self._running):
            # Asked first: what a trial wrote before it was done is gathered now at the latest.
            is_done = running.future.done()
            self._gather(running.trial)
            if is_done:
                self._running.remove(running)
                self._settle(running)
            else:
                self._end_if_over_limit(running)

    def _gather(self, trial: StudyTrial) -> None:
        rows = self._publisher.ledger.gather_epochs(trial.trial_id)
        if rows and trial.parent_id:
            self._publisher.prune()  # its own checkpoint replaces its parent's
        for row in rows:
            score = float(row[self._objective] or "nan")
            rate = float(row["images_per_second"] or "nan")
            last = trial.hyperparameters.values["tuner/epochs"]
            epoch = f"epoch {row['epoch']}/{last}"
            self._console.say(f"trial {trial.trial_id} {epoch}  {self._objective} {score:.4f}  {rate:.1f} images/s")

    def _end_if_over_limit(self, running: Running) -> None:
        limits = self.config.limits
        age = time.time() - running.started
        if limits.trial_minutes is not None and age > 60 * limits.trial_minutes:
            running.ended_because = f"took longer than {limits.trial_minutes:g} minutes (trial_minutes)"
        still = time.time() - self._last_sign(running)
        if limits.epoch_stall_minutes is not None and still > 60 * limits.epoch_stall_minutes:
            running.ended_because = f"no step for {limits.epoch_stall_minutes:g} minutes (epoch_stall_minutes)"
        if running.ended_because is not None:
            running.future.cancel()

    def _last_sign(self, running: Running) -> float:
        """When the trial last reported a step, or started."""
        progress = self.study.trial(running.trial.trial_id) / "progress.json"
        try:
            return max(progress.stat().st_mtime, running.started)
        except FileNotFoundError:
            return running.started

    # Finishing

    def _settle(self, running: Running) -> None:
        """Fold an attempt's outcome into the oracle and the results."""
        trial, outcome = running.trial, self._outcome(running)
        record = trial.record
        record["total_seconds"] = round(record.get("total_seconds", 0.0) + outcome.total_seconds, 3)
        if outcome.status == "interrupted" or (self._interrupts > 1 and outcome.status == "lost"):
            self.oracle.save_trial(trial)
            if outcome.error is not None and outcome.status == "interrupted":
                raise SearchStopped(f"trial {trial.trial_id}: {outcome.error}")
            return
        # Losses alone count: being stopped and continued is nobody's fault.
        record["losses"] = record.get("losses", 0) + (outcome.status == "lost")
        if outcome.status == "lost" and record["losses"] <= self.config.limits.retries:
            self._console.say(f"trial {trial.trial_id} lost: {outcome.error}; it will be tried again", "yellow")
            self.oracle.save_trial(trial)
            return
        if outcome.status == "completed" and outcome.score is None:
            outcome = replace(outcome, status="failed", error=f"{self._objective} was never a number")
        record |= {"status": outcome.status, "error": outcome.error}
        record["train_seconds"] = round(outcome.train_seconds, 3)
        self.oracle.report(trial.trial_id, outcome.rows, self._publisher.ledger.metrics)
        self.oracle.finish(trial.trial_id, "COMPLETED" if outcome.status == "completed" else "FAILED", outcome.error)
        self._publisher.publish(trial)
        self._say_finished(trial)
        self._stop_if_pointless()

    def _outcome(self, running: Running) -> Outcome:
        """The outcome of an attempt; where its process was lost, what its last whole epoch left."""
        failure = None if running.future.cancelled() else running.future.exception()
        if running.ended_because is None and failure is None and not running.future.cancelled():
            return running.future.result()
        state = read_state(self.study.trial(running.trial.trial_id) / "last") or TrainingState()
        return Outcome(
            "lost",
            rows=state.rows,
            train_seconds=state.train_seconds,
            total_seconds=time.time() - running.started,
            error=running.ended_because or (f"its process ended: {failure}" if failure else "ended by the driver"),
        )

    def _say_finished(self, trial: StudyTrial) -> None:
        row = self._publisher.ledger.trial_row(trial)
        self._console.say(trial_line(row, self._objective), "" if trial.status == "COMPLETED" else "red")
        if self.oracle.ranking()[:1] == [trial]:
            self._console.say(f"best so far: trial {trial.trial_id}  {self._objective} {trial.score:.4f}", "green")

    def _stop_if_pointless(self) -> None:
        if not self.oracle.has_only_failed(self.config.limits.abort_after_failures):
            return
        ended = [self.oracle.trials[trial_id] for trial_id in self.oracle.end_order]
        reasons = {str(trial.record.get("error")) for trial in ended}
        who = "the first trial" if len(ended) == 1 else f"the first {len(ended)} trials"
        alike = ", all with the same reason" if len(reasons) == 1 < len(ended) else ""
        log = self.study.trial(ended[-1].trial_id) / "log.txt"
        raise SearchStopped(
            f"{who} failed{alike}: {'; '.join(sorted(reasons))}\nMore of it is in {log}.\n"
            "Mend the cause, and the next run tries them again. A larger abort_after_failures goes on without them."
        )

    # Showing

    def _snapshot(self) -> Snapshot:
        rows = self._publisher.ledger.rows(self.oracle)
        return take_snapshot(self.study, self.config, self._schedule, rows, len(self._executor.devices))

    # Interrupting

    @contextlib.contextmanager
    def _interruptible(self) -> Iterator[None]:
        """The first Ctrl-C lets running epochs finish; the second ends the trials at once."""

        def interrupt(number: int, _: FrameType | None) -> None:
            self._interrupts += 1
            self.study.stop_file.touch()
            if self._interrupts == 1 and number == signal.SIGINT:
                self._console.say("stopping after the epochs in flight; press Ctrl-C again to stop now", "yellow")
                return
            self._interrupts = 2
            for running in self._running:
                running.future.cancel()

        before = {number: signal.signal(number, interrupt) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
