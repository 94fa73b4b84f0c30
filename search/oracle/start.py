"""What a study takes from earlier ones, and keeps in a file of its own: `start.json`.

The files that it was read from may change or go; a study that continues reads its own. What was taken decides on draws.
"""

from __future__ import annotations

import json
import math
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from search.errors import UserError
from search.oracle.points import Observation, Values
from search.study.config import StudyConfig
from search.study.folder import Study
from search.system.files import backup_of, read_json, write_with_backup


class _Entry(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class StartPoint(_Entry):
    """A configuration that is evaluated first.

    Attributes:
        source: the path that it was read from, as the study file has it.
        values: the point of this study's space.
    """

    source: str
    values: dict[str, bool | int | float | str]


class EarlierResult(_Entry):
    """What a trial of another study gave, at a point of this study's space.

    Attributes:
        source: the path of that study, as the study file has it.
        trial_id: there.
        values: the point of this study's space.
        epochs: that its configuration had trained.
        score: the objective; None where the trial failed.
    """

    source: str
    trial_id: str
    values: dict[str, bool | int | float | str]
    epochs: int = Field(ge=1)
    score: float | None

    def observation(self, sign: float) -> Observation:
        """The result for a sampler; `sign` makes more the better."""
        return Observation(dict(self.values), self.epochs, None if self.score is None else sign * self.score)


class Start(_Entry):
    """What a study takes from earlier ones.

    Attributes:
        configurations: those that are evaluated first, in the order of the study file.
        results: what a sampler that learns knows before the first trial.
    """

    configurations: tuple[StartPoint, ...] = ()
    results: tuple[EarlierResult, ...] = ()

    @property
    def points(self) -> list[Values]:
        """The points that are proposed first."""
        return [dict(each.values) for each in self.configurations]


NO_START = Start()


def write_start(study: Study, start: Start) -> None:
    """Keep it in the study's folder, with a copy, before the study is created. Raises UserError if that fails."""
    study.make_folder()
    write_with_backup(study.start_file, json.dumps(start.model_dump(mode="json"), indent=1))


def load_start(study: Study, config: StudyConfig) -> Start:
    """What a study has taken from earlier ones.

    Raises:
        UserError: its file and the copy of it are damaged.
    """
    if not config.hyperband.start:
        return NO_START
    file = study.start_file
    found = _parse(file) or _parse(backup_of(file))
    if found is None:
        raise UserError(
            f"{file} is damaged or missing, and so is its copy {backup_of(file).name}; it decides which configurations "
            "are drawn. The trials are untouched: restore one of the two, or start anew with --fresh (the old study is "
            "kept aside)."
        )
    return found


def is_start_file(path: Path) -> bool:
    """Whether a file is a whole `start.json`, or copy of one."""
    return _parse(path) is not None


def _parse(path: Path) -> Start | None:
    try:
        start = Start.model_validate(read_json(path))
    except ValidationError:
        return None
    scores = (each.score for each in start.results)
    return start if all(score is None or math.isfinite(score) for score in scores) else None
