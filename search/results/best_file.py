"""`best.toml`: the best configuration, for people, for `deeplab.Architecture`, and for a new study's `[space]`."""

from __future__ import annotations

from typing import Any

from deeplab import Architecture
from recipe import Recipe
from search.oracle.trials import StudyTrial
from search.study.config import StudyConfig
from search.study.confirmation import Confirmed
from search.study.folder import Study
from search.system.files import write_atomically
from search.system.toml import to_toml
from space import as_space


def write_best(
    study: Study,
    config: StudyConfig,
    trial: StudyTrial,
    architecture: Architecture,
    recipe: Recipe,
    confirmed: Confirmed | None = None,
) -> None:
    """Write `best.toml` for the best trial so far, unless it says so already; `confirmed` is what confirmed it."""
    weights = config.weights_of(architecture.encoder) or "none"
    table: dict[str, Any] = {
        "result": {
            "trial_id": trial.trial_id,
            "config_id": trial.record["config_id"],
            config.study.objective: trial.score,
            "best_epoch": trial.best_step,
            "parameters": trial.record["parameters"],
            "macs": trial.record["macs"],
            **({} if confirmed is None else {"confirmed_mean": confirmed.mean, "confirmed_seeds": confirmed.seeds}),
        },
        "architecture": architecture.model_dump(mode="json"),
        "recipe": recipe.model_dump(mode="json"),
        "space": {"encoder_weights": weights, **as_space(architecture, recipe)},
    }
    header = (
        f"# The best configuration of the study {study.folder.name!r}.\n"
        "# [architecture] is what deeplab.Architecture.from_toml reads. [space] is the whole configuration:\n"
        "# paste it into a new study file in place of its [space] and its [recipe].\n\n"
    )
    content = header + to_toml(table)
    if not study.best_file.exists() or study.best_file.read_bytes() != content.encode():
        write_atomically(study.best_file, content)
