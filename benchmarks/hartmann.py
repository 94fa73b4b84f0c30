"""What `sampler = "tpe"` is worth: MFHartmann, searched by our oracle with random draws and with TPE.

The oracle, its schedule and its files are those of a study (R = 81, factor 3); trials take virtual time. Three
iterations are searched; what the first alone gives is shown too (names that end in 1). Beside them, Optuna's own
TPESampler with its HyperbandPruner trains as many epochs. Regret is that of the best score so far, at full fidelity. A
row gives its median over the seeds, and the share of the epochs after which TPE has reached the last median of random
draws. Below, how long a search by TPE takes in units of one by random draws, where several workers wait for results.
"""

from __future__ import annotations

import json
import statistics
import tempfile
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import keras_tuner
import numpy as np
import optuna

from benchmarks._hartmann import SETTINGS, Setting, regret, value
from benchmarks._measure import arguments, report, with_progress
from benchmarks._virtual import MEMORY, make_oracle, run
from search.oracle.study_oracle import StudyOracle
from search.study.choices import LEARNING, SAMPLERS, load_choice
from search.study.config import HyperbandSection
from search.study.objective import Objective

MAX_EPOCHS, FACTOR, ITERATIONS = 81, 3, 3
OBJECTIVE = Objective("val_mean_iou", "max")
WORKERS = (1, 2, 8)


class Progress(NamedTuple):
    """The regret of the best score so far, after each trial.

    Attributes:
        epochs: that all trials until then have trained.
        regrets: of the point with the best score so far.
        time: when the last trial ended.
        draws: seconds that the oracle took for each new configuration.
    """

    epochs: list[int]
    regrets: list[float]
    time: float
    draws: list[float]

    def at(self, epochs: int) -> float:
        """The regret after so many epochs."""
        return self.regrets[max(0, int(np.searchsorted(self.epochs, epochs, side="right")) - 1)]


def main() -> None:
    """Search every function from many seeds; print the regrets, and how long workers wait."""
    options = arguments(__doc__ or "")
    seeds = range(2 if options.smoke else 50 if options.full else 15)
    settings = SETTINGS[:1] if options.smoke else SETTINGS
    iterations = 1 if options.smoke else ITERATIONS
    rows = [row_of(setting, seeds, iterations) for setting in with_progress("searching", settings)]
    waits = {f"time_with_{workers}_workers": waiting(workers, seeds[:5], iterations) for workers in WORKERS}
    shares = [row["share"] for row in rows if row["share"] is not None]
    largest = max(shares) if len(shares) == len(rows) else None
    report("hartmann", rows, seeds=len(seeds), largest_share=largest, **waits, **draw_ms(1 if options.smoke else 5))


def row_of(setting: Setting, seeds: Sequence[int], iterations: int) -> dict[str, Any]:
    """The medians of one function."""
    random = [search(setting, "random", seed, iterations) for seed in seeds]
    tpe = [search(setting, "tpe", seed, iterations) for seed in seeds]
    total = random[0].epochs[-1]
    peer = [optuna_search(setting, seed, total) for seed in seeds]
    one = total // iterations
    last, reached = median_at(random, total), epochs_to(tpe, median_at(random, total), total)
    return {
        "function": f"{setting.dimensions}D {setting.name}",
        "random": round(last, 4),
        "tpe": round(median_at(tpe, total), 4),
        "optuna": round(median_at(peer, total), 4),
        "share": None if reached is None else round(reached / total, 3),
        "random_1": round(median_at(random, one), 4),
        "tpe_1": round(median_at(tpe, one), 4),
        "optuna_1": round(median_at(peer, one), 4),
        # In pairs of equal seeds.
        "wins_1": round(statistics.fmean(t.at(one) < r.at(one) for t, r in zip(tpe, random, strict=True)), 3),
        "wins": round(statistics.fmean(t.at(total) < r.at(total) for t, r in zip(tpe, random, strict=True)), 3),
    }


def median_at(searches: Sequence[Progress], epochs: int) -> float:
    """The median regret after so many epochs."""
    return statistics.median(each.at(epochs) for each in searches)


def epochs_to(searches: Sequence[Progress], wanted: float, total: int) -> int | None:
    """After how many epochs the median regret is as low as wanted; None if it never is."""
    return next((epochs for epochs in range(1, total + 1) if median_at(searches, epochs) <= wanted), None)


# Our oracle


def space_of(dimensions: int) -> keras_tuner.HyperParameters:
    """The unit cube; its default, which TPE also tries around, is the middle."""
    space = keras_tuner.HyperParameters()
    for index in range(dimensions):
        space.Float(f"x{index}", 0.0, 1.0, default=0.5)
    return space


def oracle_of(setting: Setting, name: str, seed: int, iterations: int, folder: str) -> StudyOracle:
    """The oracle of a study that searches the function."""
    space = space_of(setting.dimensions)
    return make_oracle(
        space,
        HyperbandSection(max_epochs=MAX_EPOCHS, factor=FACTOR, iterations=iterations, baseline=False),
        OBJECTIVE,
        load_choice(SAMPLERS, name)(space, seed),
        lambda values: json.dumps(point_of(values)),
        seed=seed,
        learns=name in LEARNING,
        score="best",
        folder=folder,
    )


def point_of(values: Mapping[str, Any]) -> list[float]:
    """The coordinates of a trial's point."""
    return [values[name] for name in sorted(values) if name.startswith("x")]


def search(setting: Setting, name: str, seed: int, iterations: int, workers: int = 1) -> Progress:
    """A whole search in virtual time."""
    with tempfile.TemporaryDirectory(dir=MEMORY) as folder:
        oracle, draws = oracle_of(setting, name, seed, iterations, folder), list[float]()
        epochs, regrets, times, best, spent = [], [], [], -np.inf, 0
        for now, trial in run(oracle, workers, draws):
            point = point_of(trial.hyperparameters.values)
            first, last = (int(trial.hyperparameters.values[f"tuner/{at}"]) for at in ("initial_epoch", "epochs"))
            score = value(setting, point, last, MAX_EPOCHS, seed)
            oracle.report(trial.trial_id, [{"epoch": last, OBJECTIVE.name: score}], (OBJECTIVE.name,))
            oracle.finish(trial.trial_id, "COMPLETED")
            spent += last - first
            if score > best:
                best, found = score, regret(setting, point)
            epochs.append(spent)
            regrets.append(found)
            times.append(now)
    return Progress(epochs, regrets, times[-1], draws)


# What is compared


def optuna_search(setting: Setting, seed: int, total: int) -> Progress:
    """Optuna's own TPE and Hyperband, for as many epochs."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    pruner = optuna.pruners.HyperbandPruner(min_resource=1, max_resource=MAX_EPOCHS, reduction_factor=FACTOR)
    sampler = optuna.samplers.TPESampler(seed=seed)
    study = optuna.create_study(direction="maximize", sampler=sampler, pruner=pruner)
    rungs = [FACTOR**rung for rung in range(5)]
    epochs, regrets, best, found, spent = [], [], -np.inf, np.inf, 0
    while spent < total:
        trial = study.ask()
        point = [trial.suggest_float(f"x{index}", 0.0, 1.0) for index in range(setting.dimensions)]
        trained, state = 0, optuna.trial.TrialState.COMPLETE
        for rung in rungs:
            score = value(setting, point, rung, MAX_EPOCHS, seed)
            spent, trained = spent + rung - trained, rung
            if score > best:
                best, found = score, regret(setting, point)
            epochs.append(spent)
            regrets.append(found)
            trial.report(score, rung)
            if rung < MAX_EPOCHS and trial.should_prune():
                state = optuna.trial.TrialState.PRUNED
                break
        study.tell(trial, score if state == optuna.trial.TrialState.COMPLETE else None, state=state)
    return Progress(epochs, regrets, float(spent), [])


def waiting(workers: int, seeds: Sequence[int], iterations: int) -> float:
    """How long a search by TPE takes, in units of a search of random draws by as many workers."""
    times = {
        name: [search(SETTINGS[0], name, seed, iterations, workers).time for seed in seeds]
        for name in ("random", "tpe")
    }
    return round(statistics.fmean(times["tpe"]) / statistics.fmean(times["random"]), 3)


def draw_ms(iterations: int) -> dict[str, Any]:
    """Milliseconds for a new configuration in a study of so many iterations (5: 1,000 trials), in six dimensions."""
    progress = search(SETTINGS[-1], "tpe", 0, iterations)
    last = progress.draws[-100:]
    return {
        "trials": len(progress.epochs),
        "draw_ms": round(1000 * statistics.median(last), 2),
        "longest_draw_ms": round(1000 * max(last), 2),
    }


if __name__ == "__main__":
    main()
