"""Reading what `[hyperband] start` names: files like `best.toml`, and the folders of other studies."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from pydantic import BaseModel, ValidationError

from deeplab import Architecture
from recipe import Recipe
from search.errors import UserError
from search.oracle.identity import config_id, configuration_of
from search.oracle.limits import Limits
from search.oracle.misfits import misfits
from search.oracle.schedule import make_schedule
from search.oracle.start import EarlierResult, Start, StartPoint
from search.oracle.trials import StudyTrial, load_trials
from search.study.choices import LEARNING
from search.study.config import StudyConfig
from search.study.folder import Study, open_study
from search.study.ids import BASELINE
from search.study.prepare import Prepared, read_space
from search.system.toml import read_toml
from search.system.wording import listed, plural

Model = TypeVar("Model", bound=BaseModel)

KEY = "[hyperband] start"


class _Found(NamedTuple):
    """What one path gave: what can be used of it, and what to say of it."""

    points: list[StartPoint]
    results: list[EarlierResult]
    note: str


def read_start(prepared: Prepared, limits: Limits) -> tuple[Start, list[str]]:
    """What a new study takes from the paths of its `[hyperband] start`, and a note for each.

    Raises:
        UserError: a path is neither a file like `best.toml` nor the folder of a study, or nothing of it fits.
    """
    reader = _Reader(prepared, limits)
    found = [reader.read(source) for source in prepared.config.hyperband.start]
    points = tuple(point for each in found for point in each.points)
    start = Start(configurations=points, results=tuple(result for each in found for result in each.results))
    hyperband = prepared.config.hyperband
    most = make_schedule(hyperband).brackets[0].rungs[0].size
    if len(start.configurations) > most:
        raise UserError(
            f"{KEY}: given {len(start.configurations)} configurations, but the first bracket starts {most}. Name "
            "fewer, or raise max_epochs."
        )
    return start, [each.note for each in found]


class _Reader:
    """Reads for one study."""

    def __init__(self, prepared: Prepared, limits: Limits) -> None:
        self._prepared, self._config, self._space = prepared, prepared.config, prepared.space
        # Latency is measured when the configurations are drawn, as that of any other.
        self._limits = limits.without_latency()
        baseline = prepared.space.baseline()
        self._known = {config_id(*baseline): "is the baseline"} if prepared.config.hyperband.baseline else {}

    def read(self, source: str) -> _Found:
        path = Path(source)
        if path.is_dir():
            return self._read_study(source, open_study(path))
        if not path.exists():
            raise UserError(f"{KEY}: {source} does not exist; expected a file like best.toml, or a study's folder.")
        architecture, recipe = read_configuration(path)
        wrong = self._wrong(architecture, recipe)
        if wrong:
            raise UserError(f"{KEY}: the configuration of {source} is not one of this study: {wrong}.")
        points, said = self._point(source, architecture, recipe)
        return _Found(points, [], f"{source}: its configuration {said}")

    def _wrong(self, architecture: Architecture, recipe: Recipe) -> str:
        """Why a configuration is none of this study's; empty if it is one."""
        outside = misfits(self._space, architecture, recipe)
        if outside:
            return "; ".join(f"{name} is {why}" for name, why in outside.items())
        rejection = self._limits.reject(self._space.values(architecture, recipe))
        return "" if rejection is None else f"it exceeds [limits] {rejection.reason}"

    def _point(self, source: str, architecture: Architecture, recipe: Recipe) -> tuple[list[StartPoint], str]:
        name = config_id(architecture, recipe)
        if name in self._known:
            return [], f"{self._known[name]}, which is trained in any case"
        self._known[name] = f"is that of {source}"
        return [StartPoint(source=source, values=self._space.values(architecture, recipe))], "is evaluated first"

    def _read_study(self, source: str, study: Study) -> _Found:
        wrong = self._without_best(study)
        points: list[StartPoint] = []
        results, said = self._results(source, study)
        if wrong and not results:
            raise UserError(f"{KEY}: nothing of {source} can be used: {wrong}; {said}.")
        if not wrong:
            points, best = self._point(source, *read_configuration(study.best_file))
        return _Found(points, results, f"{source}: {wrong or f'its best configuration {best}'}; {said}")

    def _without_best(self, study: Study) -> str:
        """Why the best configuration of a study cannot be evaluated; empty if it can."""
        if not study.best_file.exists():
            return "it has no best configuration yet"
        wrong = self._wrong(*read_configuration(study.best_file))
        return wrong and f"its best configuration cannot be evaluated here: {wrong}"

    def _results(self, source: str, study: Study) -> tuple[list[EarlierResult], str]:
        """The results of its trials that lie in this study's space."""
        if self._config.hyperband.sampler not in LEARNING:
            return [], f"its trials are not used, because sampler = {self._config.hyperband.sampler!r} does not learn"
        other = study.config()
        differing = self._differing(other, study.frozen())
        if differing:
            # Scores of other images, or of another metric, would mislead the model.
            return [], f"its trials are not used, because its scores mean something else: {', '.join(differing)} differ"
        space = read_space(other, source)
        results, outside, count = [], Counter[str](), 0
        for trial in _ended(study):
            count += 1
            configuration = configuration_of(space, trial.trial_id, trial.hyperparameters.values)
            wrong = misfits(self._space, *configuration)
            outside.update(wrong.keys())
            if not wrong:
                results.append(_result(source, trial, self._space.values(*configuration)))
        both = [name for name in self._space.searched if name in space.searched]
        said = f"{len(results)} of its {plural(count, 'trial')} lie in this space and inform the sampler"
        said += f" (searched in both: {', '.join(both) or 'nothing'})"
        return results, said + (f"; outside: {_counted(outside)}" if outside else "")

    def _differing(self, other: StudyConfig, frozen: dict[str, Any]) -> list[str]:
        """What keeps the scores of another study from being compared with those of this one."""
        ours = self._config
        pairs = {
            "objective": (other.study.objective, ours.study.objective),
            "score": (other.study.score, ours.study.score),
            "the data": (frozen.get("data_fingerprint"), self._prepared.dataset.fingerprint()),
            "image_size, resize or scale": (other.data.framing, ours.data.framing),
            # The learning rate decays over them, so equal epochs of another maximum are no equal training.
            "max_epochs": (other.hyperband.max_epochs, ours.hyperband.max_epochs),
            "encoder_weights": (other.encoder_weights, ours.encoder_weights),
        }
        return [name for name, (theirs, own) in pairs.items() if theirs != own]


def read_configuration(path: Path) -> tuple[Architecture, Recipe]:
    """The network and the recipe of a file like `best.toml`. Raises UserError where it is none."""
    table = read_toml(path, f"{KEY}: ")
    return _parsed(path, table, "architecture", Architecture), _parsed(path, table, "recipe", Recipe)


def _parsed(path: Path, table: dict[str, Any], key: str, model: type[Model]) -> Model:
    try:
        return model.model_validate(table[key])
    except KeyError:
        raise UserError(f"{KEY}: {path} has no table [{key}]; expected a file like the best.toml of a study.") from None
    except ValidationError as error:
        detail = error.errors()[0]
        where = ".".join(map(str, detail["loc"]))
        raise UserError(f"{KEY}: {path}: [{key}] {where}: given {detail['input']!r}; {detail['msg']}.") from None


def _ended(study: Study) -> Iterator[StudyTrial]:
    """The ended trials of a study: of its brackets, and the baseline. Confirmations repeat what these have shown."""
    trials, _ = load_trials(study, lambda _: True)
    return (trial for trial in trials if trial.finished and (trial.place is not None or trial.trial_id == BASELINE))


def _result(source: str, trial: StudyTrial, values: dict[str, Any]) -> EarlierResult:
    score = float(trial.score) if trial.status == "COMPLETED" and trial.score is not None else None
    epochs = int(trial.hyperparameters.values["tuner/epochs"])
    return EarlierResult(source=source, trial_id=trial.trial_id, values=values, epochs=epochs, score=score)


def _counted(outside: Counter[str]) -> str:
    return listed([f"{name} ({count})" for name, count in outside.most_common()], most=5)
