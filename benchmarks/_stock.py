"""A search with stock KerasTuner, in a separate process: `python -m benchmarks._stock SETTINGS.json` prints JSON.

The network, data and training choices come from the settings. Everything around them is stock: the tuner, its loop and,
with `"atrous": "stock"`, the layers.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any, ClassVar

import keras
import keras_tuner

from datasets.formats import open_dataset
from datasets.pipeline import Pipeline
from deeplab import build_model
from deeplab.losses import MaskedCrossentropy
from deeplab.metrics import ConfusionMatrix
from recipe import Recipe, make_optimizer
from search.trial.normalization import adapt_batch_normalization
from space import Space


class HyperModel(keras_tuner.HyperModel):
    """The space as a user of stock Keras would write it."""

    def __init__(self, settings: dict[str, Any], space: Space) -> None:
        super().__init__()
        self._settings, self._space = settings, space
        # The scenes depend on the study's seed, as in `deeplab-search`.
        scenes = {"image_size": tuple(settings["image_size"]), "seed": settings["seed"], **settings["data"]}
        self._data = open_dataset("synthetic", **scenes)

    def build(self, hp: keras_tuner.HyperParameters) -> keras.Model:
        values = self._space.declare(hp)
        classes, ignore = self._data.classes, self._data.ignore_index
        architecture = self._space.architecture(values)
        model = build_model(
            architecture, self._space.image_size, classes, output="logits", atrous=self._settings["atrous"]
        )
        recipe = self._space.recipe_of(values)
        # The same as in our trials, so that the scores can be compared.
        steps = max(1, self._data.length("train") // recipe.batch_size)
        adapt_batch_normalization(model, steps)
        model.compile(
            make_optimizer(recipe, steps * self._settings.get("max_epochs", 1)),
            loss=MaskedCrossentropy(classes, ignore),
            metrics=[ConfusionMatrix(classes, ignore)],
        )
        return model

    def fit(self, hp: keras_tuner.HyperParameters, model: keras.Model, *args: Any, **kwargs: Any) -> Any:
        batch = self._settings["recipe"]["batch_size"]
        train = Pipeline(self._data, "train", training=True, batch_size=batch).epoch(1).cache()
        val = Pipeline(self._data, "val", training=False, batch_size=batch).epoch(1).cache()
        return model.fit(train, validation_data=val, **kwargs)


class Clock(keras.callbacks.Callback):
    """Records the times of each trial's steps, in class attributes because KerasTuner copies callbacks."""

    steps: ClassVar[list[float]] = []  # seconds in training and validation, one entry per epoch
    first_steps: ClassVar[list[float]] = []  # the clock at the end of each trial's first step
    _begun = 0.0

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self._begun = time.perf_counter()

    def on_train_begin(self, logs: Any = None) -> None:
        self._first = True

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        if self._first:
            Clock.first_steps.append(time.perf_counter())
            self._first = False

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        Clock.steps.append(time.perf_counter() - self._begun)


free: list[float] = []  # the clock at the end of each trial


class NotesEnds:
    """Records when a slot becomes free."""

    def on_trial_end(self, trial: Any) -> None:
        super().on_trial_end(trial)  # type: ignore[misc]
        free.append(time.perf_counter())


class Hyperband(NotesEnds, keras_tuner.Hyperband):
    """Stock, except for recording when trials end."""


class RandomSearch(NotesEnds, keras_tuner.RandomSearch):
    """Stock, except for recording when trials end."""


def main() -> None:
    """Run the search described by the settings; print how long it took, and where the time went."""
    settings = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    recipe = Recipe(**settings["recipe"])
    space = Space.parse(settings["space"], recipe=recipe, image_size=tuple(settings["image_size"]))
    keras.utils.set_random_seed(settings["seed"])
    name = f"stock-{settings['atrous']}"
    options = {"directory": settings["directory"], "project_name": name, "seed": settings["seed"]}
    kind: Any = RandomSearch if "max_trials" in settings else Hyperband
    own = ("max_trials",) if kind is RandomSearch else ("max_epochs", "factor")
    options |= {key: settings[key] for key in own}
    started = time.perf_counter()
    tuner = kind(HyperModel(settings, space), objective=keras_tuner.Objective("val_mean_iou", "max"), **options)
    tuner.search(callbacks=[Clock()], verbose=0)
    seconds = time.perf_counter() - started
    trials = [trial for trial in tuner.oracle.trials.values() if trial.score is not None]
    # No slot became free before the first trial.
    starts = [step - free for free, step in zip(free, Clock.first_steps[1:], strict=False)]
    print(
        json.dumps(
            {
                "seconds": seconds,
                "in_steps": sum(Clock.steps),
                "epochs": len(Clock.steps),
                "trials": len(trials),
                "best": max(trial.score for trial in trials),
                "starts": starts,
            }
        )
    )


if __name__ == "__main__":
    main()
