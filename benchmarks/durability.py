"""The cost of surviving any fault: the demo's epochs, and everything that is written about them.

The first configurations of the demo study, including its baseline, are trained by two concurrent workers, as in the
demo, and everything that makes an epoch durable is written after it: checkpoint, history, events, and the checkpoint of
the best epoch, all synced. The pictures of a best epoch, which are not needed for durability, are timed separately, and
so is the driver's part of a trial. The demo's total time is calculated from the means.
"""

from __future__ import annotations

import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import astuple, dataclass
from functools import partial
from itertools import chain
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import numpy as np

from benchmarks._measure import arguments, report
from datasets.cache import build_cache
from search.study.prepare import Prepared, prepare
from search.trial.checkpoint import copy_checkpoint
from search.trial.device import prepare_device
from search.trial.run import TrialRun

if TYPE_CHECKING:
    from search.oracle.limits import Limits
    from search.trial.training import EpochResult, Trainer

DEMO = Path(__file__).parents[1] / "studies" / "demo.toml"
WORKERS = 2
CONFIGURATIONS = 10
TRIALS = 5


@dataclass(frozen=True)
class Seconds:
    """Times of one configuration: start, one epoch, making the first and a later epoch durable, and pictures."""

    start: float
    epoch: float
    first_writing: float
    writing: float
    showing: float


def main() -> None:
    """Measure and print both."""
    from search.oracle.schedule import make_schedule

    options = arguments(__doc__ or "")
    prepared = prepare(DEMO)
    with TemporaryDirectory(dir=DEMO.parents[1] / "results") as name:
        folder = Path(name)
        work = partial(time_configurations, folder, WORKERS if options.smoke else CONFIGURATIONS)
        with ProcessPoolExecutor(WORKERS, get_context("spawn")) as pool:
            timed = list(chain.from_iterable(pool.map(work, range(WORKERS))))
        driver = time_trials(prepared, folder)
    mean = Seconds(*np.mean([astuple(each) for each in timed], axis=0).tolist())
    schedule = make_schedule(prepared.config.hyperband)
    trials, epochs = schedule.trials, schedule.epochs
    # A trial's first checkpoint is written by Keras itself and takes longer.
    written = trials * (mean.first_writing + driver) + (epochs - trials) * mean.writing
    share = written / (epochs * mean.epoch + trials * mean.start)
    shown = {
        "one epoch, without writing": mean.epoch,
        "making it durable": mean.writing,
        "making a trial's first epoch durable": mean.first_writing,
        "(pictures of a best epoch)": mean.showing,
        "the driver's files, per trial": driver,
        "a trial's start, without that of its process": mean.start,
    }
    rows = [{"of": of, "milliseconds": round(1e3 * seconds)} for of, seconds in shown.items()]
    report("durability", rows, percent_of_the_demo=100 * share)


def time_configurations(folder: Path, count: int, worker: int) -> list[Seconds]:
    """In one worker's process, train two epochs of each of its share of the study's first `count` configurations."""
    from search.driver.specification import Specifier
    from search.executors.devices import share_devices
    from search.oracle.factory import make_oracle
    from search.oracle.identity import config_id
    from search.study.folder import Study

    device = share_devices(WORKERS, [], 2)[worker]
    prepare_device(device)
    prepared = prepare(DEMO)
    study = Study(folder / f"epochs-{worker}")
    study.create(prepared.config, prepared.dataset)
    build_cache(study.data_cache(prepared.config), prepared.dataset, prepared.config.data.cache_bytes)
    oracle = make_oracle(prepared.config, prepared.space, limits_of(prepared))
    oracle.attach(study)
    architecture, recipe = prepared.space.baseline()
    values = prepared.space.values(architecture, recipe)
    trials = [oracle.create_baseline("baseline", values, config_id(architecture, recipe))]
    while len(trials) < count and (trial := oracle.create_trial(f"slot{len(trials)}")).trial_id:
        trials.append(trial)
    specify = Specifier(study, prepared.config, prepared.space, prepared.dataset)
    specs = [specify(trial, device) for trial in trials[worker::WORKERS]]
    return [time_epochs(TrialRun(spec)) for spec in specs]


def time_epochs(run: TrialRun) -> Seconds:
    """Train two epochs of a trial."""
    began = time.perf_counter()
    trainer = run.continued_trainer()
    result = trainer.train_epoch(1)  # traces the network
    to_first_epoch = time.perf_counter() - began
    first_writing = make_durable(run, trainer, result)
    began = time.perf_counter()
    result = trainer.train_epoch(2)
    epoch = time.perf_counter() - began
    writing = make_durable(run, trainer, result)
    result.row["epoch"] = 3
    run.state.best_score = None
    began = time.perf_counter()
    run.keep(trainer, result)
    showing = time.perf_counter() - began - writing
    return Seconds(to_first_epoch - epoch, epoch, first_writing, writing, showing)


def make_durable(run: TrialRun, trainer: Trainer, result: EpochResult) -> float:
    """Seconds for writing an epoch, both as the last and as the best one, without the pictures of a best epoch."""
    run.state.best_score = 1.0  # no epoch can be better, so `keep` writes no pictures
    began = time.perf_counter()
    run.keep(trainer, result)
    copy_checkpoint(run.folder / "last", run.folder / "best", run.state)
    return time.perf_counter() - began


def limits_of(prepared: Prepared) -> Limits:
    """The demo's limits: there are none."""
    from search.oracle.latency import LatencyMeter
    from search.oracle.limits import Limits

    meter = LatencyMeter(prepared.config.data.image_size, prepared.dataset.classes)
    return Limits(prepared.config, prepared.space, prepared.dataset.classes, meter)


def time_trials(prepared: Prepared, folder: Path) -> float:
    """Median seconds that the driver spends on the files of one trial, from its creation to its end."""
    from search.oracle.factory import make_oracle
    from search.results.publisher import Publisher
    from search.study.columns import metric_names
    from search.study.folder import Study

    study = Study(folder / "trials")
    study.create(prepared.config, prepared.dataset)
    oracle = make_oracle(prepared.config, prepared.space, limits_of(prepared))
    oracle.attach(study)
    publisher = Publisher(study, prepared.config, prepared.space, oracle, prepared.dataset.class_names)
    publisher.start()
    names = metric_names(prepared.dataset.class_names)
    seconds = []
    for number in range(TRIALS):
        began = time.perf_counter()
        trial = oracle.create_trial(f"slot{number}")
        trial.record |= {"parameters": 1_000_000, "macs": 1_000_000, "status": "running", "total_seconds": 1.0}
        oracle.save_trial(trial)  # its size
        oracle.save_trial(trial)  # its start
        publisher.show_workers(1)
        rows = [{"epoch": epoch, **dict.fromkeys(names, 0.5 + number / 100)} for epoch in (1, 2)]
        oracle.report(trial.trial_id, rows, names)
        oracle.finish(trial.trial_id, "COMPLETED")
        publisher.publish(trial)
        seconds.append(time.perf_counter() - began)
    return float(np.median(seconds))


if __name__ == "__main__":
    main()
