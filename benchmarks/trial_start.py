"""From a free slot to the end of a trial's first step, for the tutorial's network: stock KerasTuner against ours.

KerasTuner starts its next trial in the process that ran the previous one: it builds the network, traces it and takes
its first step. Ours starts in a fresh process. Each side runs several trials of one step; the first is left out,
because it also starts the tuner, or the server from which our trials are forked.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import tomli_w

from benchmarks._measure import arguments, report
from benchmarks._searches import stock_search
from deeplab import Architecture
from recipe import Recipe
from search.executors.local import LocalExecutor
from search.study.columns import epoch_columns
from search.study.config import StudyConfig
from search.study.folder import Study
from search.study.ids import Place
from search.study.objective import objective_of
from search.study.prepare import open_data
from search.study.reading import load_config
from search.system.files import read_json
from search.trial.contract import TrialSpec

TUTORIAL: dict[str, Any] = {"image_size": [96, 128], "batch": 8, "space": {}}
TINY: dict[str, Any] = {
    "image_size": [32, 32],
    "batch": 2,
    "space": {"encoder": "MobileNetV2", "output_stride": 8, "aspp_tap": "block_5_add", "aspp_branches": 0},
}


def main() -> None:
    """Start a few trials on both sides; print the medians and their ratio."""
    options = arguments(__doc__ or "")
    trials = 6 if options.full else 2 if options.smoke else 3
    network: dict[str, Any] = TINY if options.smoke else TUTORIAL
    data = {"train_images": network["batch"], "val_images": 1, "test_images": 1}
    settings: dict[str, Any] = {
        "seed": 1,
        "image_size": network["image_size"],
        "data": data,
        "recipe": {"batch_size": network["batch"], "augment": "none"},
        "max_trials": trials,
        "space": {**network["space"], "learning_rate": {"min": 1e-4, "max": 1e-2, "sampling": "log"}},
    }
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        starts = {
            "KerasTuner, stock layers": stock_search({**settings, "atrous": "stock"}, folder / "stock")["starts"],
            "KerasTuner, our layers": stock_search({**settings, "atrous": "fast"}, folder / "layers")["starts"],
            "deeplab-search": our_starts(settings, folder / "ours", trials),
        }
    rows = [
        {"side": side, "trials": len(found), "seconds_to_first_step": round(statistics.median(found), 2)}
        for side, found in starts.items()
    ]
    stock, layers, ours = (statistics.median(found) for found in starts.values())
    report("trial_start", rows, ours_to_stock=ours / stock, ours_to_stock_with_our_layers=ours / layers)


def our_starts(settings: dict[str, Any], folder: Path, trials: int) -> list[float]:
    """Seconds from submitting a trial to the executor until it reports its first step; without the first trial."""
    config = make_study(settings, folder)
    study = Study(config.folder)
    dataset = open_data(config)
    study.create(config, dataset)
    executor, seconds = LocalExecutor(1), []
    architecture = Architecture(**{key: value for key, value in settings["space"].items() if key in FIXED})
    try:
        for number in range(trials):
            trial_id = Place(number, rung=0).trial_id
            study.trial(trial_id).mkdir()
            started = time.perf_counter()
            spec = make_spec(study, config, trial_id, architecture, dataset.class_names, executor)
            future = executor.submit(spec)
            while not has_stepped(study.trial(trial_id)) and not future.done():
                time.sleep(0.01)
            seconds.append(time.perf_counter() - started)
            outcome = future.result()
            if outcome.status != "completed":
                raise RuntimeError(f"a trial failed: {outcome.error}")
    finally:
        executor.shutdown()
    return seconds[1:]


FIXED = ("encoder", "output_stride", "aspp_tap")


def has_stepped(folder: Path) -> bool:
    """Whether a trial has reported its first step."""
    progress = read_json(folder / "progress.json") or {}
    return progress.get("phase") == "validate" or (progress.get("phase") == "train" and progress["step"] >= 1)


def make_study(settings: dict[str, Any], folder: Path) -> StudyConfig:
    """The configuration of a study with these settings."""
    folder.mkdir()
    table = {
        "study": {"name": "ours", "directory": str(folder)},
        "data": {"format": "synthetic", "image_size": settings["image_size"], **settings["data"]},
        "hyperband": {"max_epochs": 1},
        "recipe": settings["recipe"],
    }
    (folder / "study.toml").write_text(tomli_w.dumps(table))
    return load_config(folder / "study.toml")


def make_spec(
    study: Study,
    config: StudyConfig,
    trial_id: str,
    architecture: Architecture,
    class_names: tuple[str, ...],
    executor: LocalExecutor,
) -> TrialSpec:
    """A trial of one epoch."""
    return TrialSpec(
        study=str(study.folder),
        trial_id=trial_id,
        config_id=trial_id,
        run=trial_id,
        parent_id=None,
        first_epoch=0,
        last_epoch=1,
        max_epochs=1,
        architecture=architecture.model_dump(),
        recipe=Recipe(**config.recipe.model_dump()).model_dump(),
        encoder_weights=None,
        data_format=config.data.format,
        data=config.data.options(),
        images={},
        cache=str(study.data_cache(config)),
        data_seed=0,
        seed=1,
        objective=objective_of("val_mean_iou"),
        columns=epoch_columns(class_names),
        class_names=class_names,
        device=executor.devices[0],
    )


if __name__ == "__main__":
    main()
