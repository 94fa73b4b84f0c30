"""A small study: its file's content, its configuration, its folder."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from datasets.formats import open_dataset
from search.study.config import StudyConfig
from search.study.folder import Study
from search.study.reading import parse_config

TABLE: dict[str, Any] = {
    "study": {"name": "tiny"},
    "data": {"format": "synthetic", "image_size": [64, 64], "train_images": 2, "val_images": 2},
    "hyperband": {"max_epochs": 3},
}

MakeConfig = Callable[..., StudyConfig]
MakeStudy = Callable[..., Study]


@pytest.fixture
def table() -> dict[str, Any]:
    """The content of the smallest study file."""
    return copy.deepcopy(TABLE)


@pytest.fixture
def make_config(table: dict[str, Any]) -> MakeConfig:
    """The smallest study's configuration, with keys of its sections replaced."""

    def make(**sections: dict[str, Any]) -> StudyConfig:
        return parse_config({**table, **{name: table.get(name, {}) | keys for name, keys in sections.items()}}, "test")

    return make


@pytest.fixture
def make_study(tmp_path: Path, make_config: MakeConfig) -> MakeStudy:
    """A study folder as `run` leaves it before the first trial."""

    def make(**sections: dict[str, Any]) -> Study:
        config = make_config(**sections)
        study = Study(tmp_path / config.study.name)
        study.create(config, open_dataset(config.data.format, seed=config.study.seed, **config.data.options()))
        return study

    return make
