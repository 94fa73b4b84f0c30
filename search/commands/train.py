"""The `train` command: one configuration, trained at any budget, as a study of a single trial."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from pydantic import BaseModel, ValidationError

from deeplab import Architecture
from recipe import Recipe
from search.commands.run import run_prepared
from search.errors import UserError
from search.study.config import StudyConfig
from search.study.ids import is_trial_id
from search.study.prepare import prepare_config
from search.study.reading import load_config, parse_config, to_table
from search.system.quiet import load_tensorflow
from search.system.toml import read_toml
from search.terminal import SearchConsole, splitting_progress

Model = TypeVar("Model", bound=BaseModel)

OPTION = "--architecture"
# Limits on what a network may cost: whoever names a network has decided.
COSTS = ("max_parameters", "max_macs", "max_latency_ms")


class _Configuration(NamedTuple):
    """What is trained, and the trial whose seed it is trained from, if the file names one."""

    architecture: Architecture
    recipe: Recipe
    trial_id: str | None


def train(
    study_file: Path,
    architecture_file: Path,
    overrides: Sequence[str],
    *,
    epochs: int | None,
    target: Path | None,
    fresh: bool,
) -> None:
    """Train one configuration to the end, or continue its training.

    Args:
        study_file: supplies the data, the encoder's weights and the seed; without a recipe in the other file, that too.
        architecture_file: a file like `best.toml`, or one with an `[architecture]` alone.
        overrides: of `--set`.
        epochs: to train; None for the study's `max_epochs`.
        target: the folder; None for `<directory>/<name>-train` of the study.
        fresh: move an old folder of this name aside and start anew.

    Raises:
        UserError: the input is wrong; nothing was changed.
        SearchStopped: the training could not finish; the same command continues it.
        Interrupted: the user stopped it; the same command continues it.
    """
    study = load_config(study_file, overrides)
    config = _single(study, _read(architecture_file, study.recipe), epochs, target)
    console = SearchConsole()
    prepared = prepare_config(config, str(architecture_file), bar=splitting_progress(console.console))
    run_prepared(prepared, console, fresh=fresh)


def _single(study: StudyConfig, chosen: _Configuration, epochs: int | None, target: Path | None) -> StudyConfig:
    """The configuration of a study whose space holds one point, which goes straight to its last epoch."""
    # It loads KerasTuner; a mistake in one of the files has been reported by now.
    from space import as_space

    table: dict[str, Any] = to_table(study)
    folder = target or study.folder.with_name(f"{study.folder.name}-train")
    table["study"] |= {"name": folder.name, "directory": str(folder.parent)}
    if chosen.trial_id is not None:
        table["study"]["seed_of"] = chosen.trial_id
    most = epochs or study.hyperband.max_epochs
    table["hyperband"] = {"max_epochs": most, "min_epochs": most, "baseline": False}
    table.pop("confirm", None)
    limits = table.get("limits", {})
    table["limits"] = {key: value for key, value in limits.items() if key not in COSTS}
    fixed = as_space(chosen.architecture, chosen.recipe)
    table["space"] = {key: value for key, value in fixed.items() if key not in Recipe.model_fields}
    table["space"]["encoder_weights"] = study.encoder_weights
    table["recipe"] = chosen.recipe.model_dump(mode="json")
    return parse_config(table, "--to" if target else "the training's study")


def _read(path: Path, default: Recipe) -> _Configuration:
    document = read_toml(path, f"{OPTION}: ")
    if not isinstance(document.get("architecture"), dict):
        raise UserError(f"{OPTION}: {path} has no table [architecture]; expected a file like a study's best.toml.")
    load_tensorflow()  # quietly, before a tap is looked up among the layers of its encoder
    architecture = _parsed(path, document, "architecture", Architecture)
    recipe = _parsed(path, document, "recipe", Recipe) if "recipe" in document else default
    result = document.get("result")
    trial_id = result.get("trial_id") if isinstance(result, dict) else None
    return _Configuration(architecture, recipe, trial_id if is_trial_id(str(trial_id)) else None)


def _parsed(path: Path, document: dict[str, Any], key: str, model: type[Model]) -> Model:
    try:
        return model.model_validate(document[key])
    except ValidationError as error:
        detail = error.errors()[0]
        where = ".".join(map(str, detail["loc"]))
        raise UserError(f"{OPTION}: {path}: [{key}] {where}: given {detail['input']!r}; {detail['msg']}.") from None
