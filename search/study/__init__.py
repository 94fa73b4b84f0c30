"""The study folder: its configuration, its lock, the ids and columns of its files."""

from search.study.config import StudyConfig
from search.study.folder import Study, open_studies, open_study
from search.study.ids import BASELINE
from search.study.lock import is_driven, lock_study
from search.study.objective import Objective, objective_of

__all__ = [
    "BASELINE",
    "Objective",
    "Study",
    "StudyConfig",
    "is_driven",
    "lock_study",
    "objective_of",
    "open_studies",
    "open_study",
]
