"""The oracle as a state machine: completions, failures, losses and restarts in any order, by 1 to 16 workers."""

from __future__ import annotations

import shutil
from pathlib import Path
from tempfile import mkdtemp

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from search.oracle.schedule import Bracket
from search.oracle.study_oracle import StudyOracle
from search.oracle.trials import StudyTrial
from tests.unit.search.oracles import MEMORY, make_oracle, points, score

FAILED = float("-inf")


def rung_of(oracle: StudyOracle, bracket: Bracket, rung: int) -> list[StudyTrial]:
    numbers = range(bracket.first_config, bracket.first_config + bracket.rungs[0].size)
    return [
        trial
        for trial in oracle.trials.values()
        if trial.place and trial.place[0] in numbers and trial.place[1] == rung
    ]


class Search(RuleBasedStateMachine):
    """What a driver does with the oracle, without training: `running` are the trials that a worker has."""

    @initialize(
        workers=st.integers(1, 16),
        max_epochs=st.integers(1, 9),
        factor=st.integers(2, 4),
        iterations=st.integers(1, 2),
        size=st.sampled_from([3, 20, 10_000]),
        sampler=st.sampled_from(["random", "tpe"]),
    )
    def start(self, workers: int, max_epochs: int, factor: int, iterations: int, size: int, sampler: str) -> None:
        self.folder = Path(mkdtemp(dir=MEMORY))
        self.workers = workers
        self.search = {"max_epochs": max_epochs, "factor": factor, "iterations": iterations, "space": points(size)}
        self.search["sampler"] = sampler
        self.oracle = make_oracle(self.folder, **self.search)
        self.running: list[str] = []
        self.waiting: list[str] = []
        self.started: list[str] = []
        self.scores: dict[str, float] = {}
        self.promotable: set[str] = set()

    def fill(self) -> bool:
        """Give one free worker a trial; whether there was one for it."""
        if self.waiting:
            self.running.append(self.waiting.pop(0))
            return True
        trial = self.oracle.create_trial(f"slot{len(self.oracle.trials)}")
        if trial.status == "RUNNING":
            self.started.append(trial.trial_id)
            self.running.append(trial.trial_id)
            if trial.parent_id is not None:
                assert trial.parent_id in self.promotable, "its checkpoint had been given up"
        elif trial.status == "IDLE":
            assert self.running, "waits for trials that nobody runs"
        return trial.status == "RUNNING"

    @precondition(lambda self: len(self.running) < self.workers)
    @rule()
    def ask(self) -> None:
        self.fill()

    @precondition(lambda self: self.running)
    @rule(data=st.data())
    def complete(self, data: st.DataObject) -> None:
        trial_id = self.end(data)
        value = score(self.oracle.trials[trial_id])
        self.oracle.report(trial_id, [{"epoch": 1, "val_mean_iou": value}], ("val_mean_iou",))
        self.oracle.finish(trial_id, "COMPLETED")
        self.scores[trial_id] = value

    @precondition(lambda self: self.running)
    @rule(data=st.data(), with_epochs=st.booleans())
    def fail(self, data: st.DataObject, with_epochs: bool) -> None:
        trial_id = self.end(data)
        # However good it was before.
        rows = [{"epoch": 1, "val_mean_iou": 2.0}] if with_epochs else []
        self.oracle.report(trial_id, rows, ("val_mean_iou",))
        self.oracle.finish(trial_id, "FAILED", "no luck")
        self.scores[trial_id] = FAILED

    @precondition(lambda self: self.running)
    @rule(data=st.data())
    def lose(self, data: st.DataObject) -> None:
        """A worker dies: its trial waits to be tried again."""
        self.waiting.append(self.end(data))

    @rule(workers=st.integers(1, 16))
    def restart(self, workers: int) -> None:
        """The driver dies, and the next one has another number of workers."""
        self.oracle = make_oracle(self.folder, **self.search)
        self.workers = workers
        self.waiting = [trial.trial_id for trial in self.oracle.ongoing_trials.values()]
        self.running = []

    def end(self, data: st.DataObject) -> str:
        return self.running.pop(data.draw(st.integers(0, len(self.running) - 1)))

    @invariant()
    def nothing_is_lost_or_run_twice(self) -> None:
        if not hasattr(self, "oracle"):
            return
        assert sorted(self.started) == sorted(self.oracle.trials)
        unfinished = {name for name, trial in self.oracle.trials.items() if not trial.finished}
        assert unfinished >= {*self.running, *self.waiting}
        assert len(unfinished) == len(self.running) + len(self.waiting)
        assert self.scores.keys() == self.oracle.trials.keys() - unfinished
        self.promotable = {name for name, trial in self.oracle.trials.items() if self.oracle.may_be_promoted(trial)}

    @invariant()
    def rungs_hold_the_true_top_of_the_rung_below(self) -> None:
        for bracket in self.oracle.schedule.brackets if hasattr(self, "oracle") else ():
            for rung, planned in enumerate(bracket.rungs):
                here = rung_of(self.oracle, bracket, rung)
                assert len(here) <= planned.size
                if rung:
                    self.check_promotions(here, rung_of(self.oracle, bracket, rung - 1))

    def check_promotions(self, here: list[StudyTrial], below: list[StudyTrial]) -> None:
        parents = [trial.parent_id for trial in here]
        assert len(set(parents)) == len(parents)
        for parent in parents:
            assert self.scores[str(parent)] > FAILED
            better = [other for other in below if self.scores.get(other.trial_id, FAILED) > self.scores[str(parent)]]
            assert len(better) < self.planned(here[0])

    def planned(self, trial: StudyTrial) -> int:
        number, rung = trial.place or (0, 0)
        bracket = next(b for b in reversed(self.oracle.schedule.brackets) if b.first_config <= number)
        return bracket.rungs[rung].size

    def teardown(self) -> None:
        """Whatever happened so far, the search comes to its end, with rungs as large as survivors allow."""
        if not hasattr(self, "oracle"):
            return
        while self.fill() or self.running:
            if self.running:
                trial_id = self.running.pop()
                value = score(self.oracle.trials[trial_id])
                self.oracle.report(trial_id, [{"epoch": 1, "val_mean_iou": value}], ("val_mean_iou",))
                self.oracle.finish(trial_id, "COMPLETED")
                self.scores[trial_id] = value
            self.nothing_is_lost_or_run_twice()
        for bracket in self.oracle.schedule.brackets:
            for rung in range(1, len(bracket.rungs)):
                below = rung_of(self.oracle, bracket, rung - 1)
                survivors = sorted(self.scores[t.trial_id] for t in below if self.scores[t.trial_id] > FAILED)
                here = rung_of(self.oracle, bracket, rung)
                assert len(here) == min(len(survivors), bracket.rungs[rung].size)
                top = survivors[len(survivors) - len(here) :]
                assert sorted(self.scores[str(trial.parent_id)] for trial in here) == top
        assert make_oracle(self.folder, **self.search).create_trial("next").status == "STOPPED"
        shutil.rmtree(self.folder)


TestSearch = Search.TestCase
TestSearch.settings = settings(max_examples=15, stateful_step_count=40, deadline=None)


def test_a_fifth_of_failures_leaves_81_27_9_3_1_whole() -> None:
    folder = Path(mkdtemp(dir=MEMORY))
    oracle = make_oracle(folder, max_epochs=81)
    failed = 0
    while (trial := oracle.create_trial(f"slot{len(oracle.trials)}")).status == "RUNNING":
        value = score(trial)
        oracle.report(trial.trial_id, [{"epoch": 1, "val_mean_iou": value}], ("val_mean_iou",))
        is_unlucky = hash_of(trial) % 5 == 0
        oracle.finish(trial.trial_id, "FAILED" if is_unlucky else "COMPLETED")
        failed += is_unlucky
    sizes = [len(rung_of(oracle, oracle.schedule.brackets[0], rung)) for rung in range(5)]
    shutil.rmtree(folder)
    assert sizes == [81, 27, 9, 3, 1]
    assert failed > 20


def hash_of(trial: StudyTrial) -> int:
    return int.from_bytes(trial.trial_id.encode(), "big") * 2654435761 % 2**32
