"""The driver: asks the oracle for trials, hands them to the executor, and folds what comes back into the study."""

from __future__ import annotations

import concurrent.futures
import logging
import time
from dataclasses import replace

from datasets import Dataset
from deeplab import cost
from search.driver.announcer import Announcer
from search.driver.failures import Failures
from search.driver.interrupts import Interrupts
from search.driver.running import Running
from search.driver.specification import Specifier
from search.driver.workers import Workers
from search.errors import Interrupted, SearchStopped
from search.executors import Executor
from search.oracle.factory import draw_ahead, make_oracle
from search.oracle.identity import config_id, configuration_of
from search.oracle.limits import Limits
from search.oracle.start import load_start
from search.oracle.trials import StudyTrial
from search.results.publisher import Publisher
from search.results.snapshot import Snapshot, take_snapshot
from search.results.tally import Tally
from search.study.config import StudyConfig
from search.study.folder import Study
from search.study.ids import BASELINE
from search.study.lock import note_plan
from search.study.objective import objective_of
from search.system.disk import check_room
from search.system.machine import now
from search.terminal.live import SearchConsole
from search.trial.contract import Device, Outcome
from search.trial.progress import PROGRESS_FILE, ProgressWatch
from space import Space

# How often running trials are looked at, in seconds.
POLL = 0.25

log = logging.getLogger(__name__)


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
        self._announcer = Announcer(console, self._objective)
        self.oracle = make_oracle(config, space, limits, load_start(study, config))
        for line in self.oracle.attach(study):
            self._announcer.warn(line)
        self._publisher = Publisher(study, config, space, self.oracle, dataset.class_names)
        self._specify = Specifier(study, config, space, dataset)
        self._running: list[Running] = []
        self._workers = Workers(executor, study, self._announcer.warn)
        self._failures = Failures(study, self.oracle, config.limits.abort_after_failures)
        self._interrupts = Interrupts(self.study.stop_file.touch, self._end_trials, self._announcer.warn)
        self._size_schedule(draw_ahead(self.oracle, config, space, limits))

    def run(self) -> Snapshot:
        """Run or continue the study; returns its final state.

        Raises:
            SearchStopped: continuing is pointless.
            Interrupted: the user stopped it.
        """
        self.study.stop_file.unlink(missing_ok=True)
        again = self._failures.try_again()
        if again is not None:
            self._announcer.say(again)
        is_over = self.study.finished_file.exists() and not self.oracle.ongoing_trials
        self.study.finished_file.unlink(missing_ok=True)
        self._publisher.start()
        self._tally = self._count_ended()
        if not is_over:
            self._workers.check()
        try:
            with self._interrupts:
                self._resume()
                while self._start_trials() or self._running:
                    self._publisher.show_workers(len(self._running))
                    self._wait()
                    self._console.update(self._snapshot)
        finally:
            self.oracle.save(at_once=True)
        self._publisher.show_workers(0)
        self.study.stop_file.unlink(missing_ok=True)
        if self._interrupts.requested:
            raise Interrupted
        return self._finish()

    def _finish(self) -> Snapshot:
        # In the order in which the trials were started, whatever the order in which they ended.
        self._publisher.ledger.rebuild_trials(self.oracle)
        self._publisher.ledger.rebuild_epochs(self.oracle)
        self.study.finished_file.touch()
        log.info("finished: %d trials, %d failed", self._tally.finished, len(self._tally.failures))
        return self._snapshot()

    # Starting

    def _size_schedule(self, configurations: int) -> None:
        """Expect this many configurations, as many as the space can supply."""
        self._schedule = self.oracle.schedule.limited_to(configurations)
        note_plan(self.study, workers=len(self._executor.devices), configurations=configurations)
        self._are_all_drawn = False

    def _resume(self) -> None:
        for trial in self.oracle.ongoing_trials.values():
            self._announcer.say(f"trial {trial.trial_id} continues after its last whole epoch")
            self._add_size(trial)  # a trial that was killed before its first attempt has no size yet
        if self.config.hyperband.baseline and BASELINE not in self.oracle.trials:
            architecture, recipe = self.space.baseline()
            values = self.space.values(architecture, recipe)
            self._add_size(self.oracle.create_baseline(BASELINE, values, config_id(architecture, recipe)))

    def _start_trials(self) -> bool:
        """Give trials to the free workers; True if any was started."""
        started = False
        while not self._interrupts.requested and (device := self._free_device()) is not None:
            trial = self._waiting_trial() or self._next_trial()
            if trial is None:
                break
            self._submit(trial, device)
            started = True
        return started

    def _free_device(self) -> Device | None:
        return self._workers.free({running.device.worker for running in self._running})

    def _waiting_trial(self) -> StudyTrial | None:
        """A trial that was created, but does not run: after a restart, or to be tried again."""
        in_flight = {running.trial.trial_id for running in self._running}
        waiting = (trial for trial in self.oracle.ongoing_trials.values() if trial.trial_id not in in_flight)
        return next(waiting, None)

    def _next_trial(self) -> StudyTrial | None:
        # The name stands for a worker in KerasTuner; here each trial has its own, so that none replaces another.
        trial = self.oracle.create_trial(f"slot{len(self.oracle.trials)}")
        self._say_drawn()
        if trial.status != "RUNNING":
            return None
        self._add_size(trial)
        return trial

    def _say_drawn(self) -> None:
        """Once all configurations are drawn, say how many were rejected, and expect no more than there are."""
        if self._are_all_drawn or not (self.oracle.exhausted or self.oracle.drawn >= self._schedule.configurations):
            return
        if self.oracle.drawn < self._schedule.configurations:
            self._size_schedule(self.oracle.drawn)
            self._tally = self._count_ended()
        self._are_all_drawn = True
        self._announcer.drawn(self.oracle)

    def _add_size(self, trial: StudyTrial) -> None:
        architecture, _ = configuration_of(self.space, trial.trial_id, trial.hyperparameters.values)
        size = cost(architecture, self.config.data.image_size, self.dataset.classes, self.config.data.channels)
        trial.record |= {"parameters": size.parameters, "macs": size.macs}

    def _submit(self, trial: StudyTrial, device: Device) -> None:
        record = trial.record
        check_room(self.study.folder, record["parameters"])
        record |= {"status": "running", "worker": device.worker, "attempts": record["attempts"] + 1}
        record.setdefault("started", now())
        self.oracle.save_trial(trial)
        folder = self.study.trial(trial.trial_id)
        (folder / PROGRESS_FILE).unlink(missing_ok=True)
        watch = ProgressWatch(folder)
        future = self._executor.submit(self._specify(trial, device))
        self._running.append(Running(trial, device, future, watch, time.monotonic()))
        self._announcer.started(trial, device)
        log.debug("trial %s: attempt %d, %s", trial.trial_id, record["attempts"], trial.hyperparameters.values)
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
                running.end_if_over(self.config.limits)

    def _gather(self, trial: StudyTrial) -> None:
        rows = self._publisher.ledger.gather_epochs(trial.trial_id)
        if rows and trial.parent_id:
            self._publisher.prune()  # its own checkpoint replaces its parent's
        for row in rows:
            self._announcer.epoch(trial, row)

    # Finishing

    def _settle(self, running: Running) -> None:
        """Fold an attempt's outcome into the oracle and the results, unless the trial is to be tried again."""
        trial, outcome = running.trial, self._outcome(running)
        record = trial.record
        record["total_seconds"] = round(record.get("total_seconds", 0.0) + outcome.total_seconds, 3)
        log.debug("trial %s: %s after %.1f s, %s", trial.trial_id, outcome.status, outcome.total_seconds, outcome.error)
        if outcome.status == "unusable":
            self._put_back(trial)
            self._workers.retire(running.device.worker, str(outcome.error))
            return
        if self._is_stopped(trial, outcome) or self._is_retried(trial, outcome):
            return
        # Such as the IoU of a class that occurs in no validation image.
        if outcome.status == "completed" and outcome.score is None:
            outcome = replace(outcome, status="failed", error=f"{self._objective} was never a number")
        record |= {"status": outcome.status, "error": outcome.error}
        record["train_seconds"] = round(outcome.train_seconds, 3)
        self.oracle.report(trial.trial_id, outcome.rows, self._publisher.ledger.metrics)
        self.oracle.finish(trial.trial_id, "COMPLETED" if outcome.status == "completed" else "FAILED", outcome.error)
        self._publisher.publish(trial)
        row = self._publisher.ledger.trial_row(trial)
        self._tally.add(row)
        self._announcer.ended(trial, row, is_best=self.oracle.state.completed.best(1) == [trial])
        self._failures.add(trial)

    def _outcome(self, running: Running) -> Outcome:
        """The outcome of an attempt; where it failed on a device that does not work, the device is to blame."""
        outcome = running.outcome(self.study)
        fault = self._workers.fault(running.device) if outcome.status == "failed" else None
        return outcome if fault is None else replace(outcome, status="unusable", error=fault)

    def _put_back(self, trial: StudyTrial) -> None:
        """Make a trial wait again whose worker could not work, as if that had never had it."""
        trial.record |= {"status": "queued", "attempts": trial.record["attempts"] - 1}
        self.oracle.save_trial(trial)
        self._publisher.ledger.update_trials(self.oracle)

    def _is_stopped(self, trial: StudyTrial, outcome: Outcome) -> bool:
        """Whether the attempt was interrupted, so that the next run continues the trial. Raises SearchStopped."""
        # Trials that the driver itself ended at the second Ctrl-C are not lost.
        if outcome.status != "interrupted" and not (self._interrupts.at_once and outcome.status == "lost"):
            return False
        self.oracle.save_trial(trial)
        if outcome.error is not None and outcome.status == "interrupted":
            raise SearchStopped(f"trial {trial.trial_id}: {outcome.error}")
        return True

    def _is_retried(self, trial: StudyTrial, outcome: Outcome) -> bool:
        """Whether the attempt was lost and the trial has attempts left."""
        record = trial.record
        # Losses alone count: being stopped and continued is nobody's fault.
        record["losses"] = record.get("losses", 0) + (outcome.status == "lost")
        if outcome.status != "lost" or record["losses"] > self.config.limits.retries:
            return False
        self._announcer.warn(f"trial {trial.trial_id} lost: {outcome.error}; it will be tried again")
        self.oracle.save_trial(trial)
        return True

    def _end_trials(self) -> None:
        for running in self._running:
            running.future.cancel()

    # Showing

    def _count_ended(self) -> Tally:
        rows = (self._publisher.ledger.trial_row(self.oracle.trials[name]) for name in self.oracle.end_order)
        return Tally(self._schedule, objective_of(self._objective), rows)

    def _snapshot(self) -> Snapshot:
        unfinished = map(self._publisher.ledger.trial_row, self.oracle.ongoing_trials.values())
        workers = self._workers
        return take_snapshot(
            self.study, self.config, self._tally, unfinished, len(workers.usable), retired=workers.retired
        )
