"""What it costs that a search survives anything: the demo's epochs with and without all that is written, in turn.

    python benchmarks/durability.py [PAIRS]

One network of the demo study is trained in this process. Every other epoch writes nothing; those between write what a
trial writes: checkpoint, history, events, each synced. The driver's part of a trial is timed on its own, on real files.
Prints a table to standard error and JSON to standard output.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from search.checkpoint import TrainingState
from search.prepare import Prepared, prepare
from search.trial import TrialRun, prepare_device

if TYPE_CHECKING:
    from search.limits import Limits

DEMO = Path(__file__).parents[1] / "studies" / "demo.toml"
PAIRS = 6
TRIALS = 5


def main(pairs: int) -> None:
    """Measure, and print both."""
    from search.executors.local import share_devices

    (device,) = share_devices(1, [], 2)
    prepare_device(device)
    prepared = prepare(DEMO)
    with TemporaryDirectory(dir=DEMO.parents[1] / "results") as folder:
        start, first, bare, durable, writing = time_epochs(prepared, Path(folder), pairs)
        bookkeeping = time_trials(prepared, Path(folder))
    from search.schedule import make_schedule

    schedule = make_schedule(prepared.config.hyperband)
    trials, epochs = schedule.trials, schedule.epochs
    # A trial's first checkpoint is Keras's own work, and takes longer.
    written = trials * first + (epochs - trials) * writing + trials * bookkeeping
    measured = {
        "start_seconds": start,
        "first_writing_seconds": first,
        "epoch_seconds_bare": bare,
        "epoch_seconds_durable": durable,
        "epoch_ratio": durable / bare,
        "epoch_seconds_writing": writing,
        "trial_seconds_of_the_driver": bookkeeping,
        "study_cost": written / (epochs * bare + trials * start),
        "pairs": pairs,
    }
    rows = [
        ("epoch, nothing written", f"{bare:.3f} s"),
        ("epoch, everything written", f"{durable:.3f} s  ({100 * (durable / bare - 1):+.1f} %)"),
        ("of that, inside the writes", f"{writing:.3f} s  ({100 * writing / bare:.2f} %)"),
        ("first of a trial, inside the writes", f"{first:.3f} s"),
        ("driver, a trial", f"{bookkeeping:.3f} s"),
        ("a trial's start, its process not counted", f"{start:.3f} s"),
        ("demo study: all writes", f"{100 * measured['study_cost']:.2f} % of its time without them"),
    ]
    for name, value in rows:
        print(f"{name:<46} {value}", file=sys.stderr)
    print(json.dumps({name: round(value, 5) for name, value in measured.items()}))


def time_epochs(prepared: Prepared, folder: Path, pairs: int) -> tuple[float, ...]:
    """Seconds of a trial's start and first writes; medians of an epoch without and with writes, and of these alone."""
    from search.limits import make_oracle
    from search.specification import make_specification
    from search.study import Study
    from search.trial import Device

    study = Study(folder / "epochs")
    study.create(prepared.config, prepared.dataset)
    oracle = make_oracle(prepared.config, prepared.space, limits_of(prepared))
    oracle.attach(study)
    trial = oracle.create_trial("slot")  # the first configuration of the demo
    spec = make_specification(study, prepared.config, prepared.space, prepared.dataset, trial, Device("cpu0", None, 2))
    run = TrialRun(spec, study.trial(trial.trial_id))
    state = TrainingState()
    run.open_history(state)
    began = time.perf_counter()
    trainer = run.continued_trainer(state)
    result = trainer.train_epoch(1)  # traces the network
    started = time.perf_counter()
    run.keep(trainer, state, result)
    first = time.perf_counter() - started
    to_first_epoch = started - began
    bare, durable, writing = [], [], []
    for _ in range(pairs):
        began = time.perf_counter()
        trainer.train_epoch(2)
        bare.append(time.perf_counter() - began)
        began = time.perf_counter()
        result = trainer.train_epoch(2)
        trained = time.perf_counter()
        result.row["epoch"] = state.epoch + 1
        run.keep(trainer, state, result)
        durable.append(time.perf_counter() - began)
        writing.append(time.perf_counter() - trained)
    start = max(to_first_epoch - median(bare), 0.0)
    return start, first, median(bare), median(durable), median(writing)


def limits_of(prepared: Prepared) -> Limits:
    """The limits of the demo: none."""
    from search.latency import LatencyMeter
    from search.limits import Limits

    meter = LatencyMeter(prepared.config.data.image_size, prepared.dataset.classes)
    return Limits(prepared.config, prepared.space, prepared.dataset.classes, meter)


def time_trials(prepared: Prepared, folder: Path) -> float:
    """Median seconds that the driver spends on the files of a trial, from its creation to its end."""
    from search.ledger import metric_names
    from search.limits import make_oracle
    from search.publisher import Publisher
    from search.study import Study

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
    return median(seconds)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else PAIRS)
