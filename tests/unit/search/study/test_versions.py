"""A study that another version wrote: taken over with a copy kept, or refused with the version that continues it."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from typing import Any

import pytest

from search.commands.status import show_status
from search.errors import UserError
from search.study.folder import END, Study
from search.study.versions import FORMAT, own_version, packages_note
from search.system.machine import project_version, versions
from search.system.toml import to_toml
from tests.unit.search.conftest import MakeConfig, MakeStudy

MakeWritten = Callable[..., Study]


@pytest.fixture
def written(make_study: MakeStudy) -> MakeWritten:
    """A study whose `study.toml` another version wrote: with other values in `[frozen]`, and keys of its own."""

    def make(*, frozen: dict[str, Any], **sections: dict[str, Any]) -> Study:
        study = make_study()
        table = tomllib.loads(study.config_file.read_text())
        for name, keys in {"frozen": frozen, **sections}.items():
            merged = table.get(name, {}) | keys
            table[name] = {key: value for key, value in merged.items() if value is not None}
        for file in (study.config_file, study.folder / "study.toml.bak"):
            file.write_text(to_toml(table) + END)
        return study

    return make


def files(study: Study) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in study.folder.iterdir()}


def test_a_new_study_records_its_format_and_version(make_study: MakeStudy) -> None:
    frozen = make_study().frozen()
    assert (frozen["format"], frozen["project"]) == (FORMAT, project_version())


def test_a_study_of_version_0_1_is_taken_over_and_its_file_kept(written: MakeWritten, make_config: MakeConfig) -> None:
    study = written(frozen={"format": None, "project": None}, hyperband={"mode": None})
    before = study.config_file.read_bytes()
    old = study.frozen()
    assert "format" not in old
    (note,) = study.adopt()
    assert "version 0.1.0" in note
    assert "study.toml.format-1.bak" in note
    assert (study.folder / "study.toml.format-1.bak").read_bytes() == before
    assert study.frozen() == old | own_version()
    assert study.config() == make_config()
    after = files(study)
    assert study.adopt() == []
    assert files(study) == after, "taken over once"


def test_the_version_that_drove_a_study_last_is_recorded(written: MakeWritten) -> None:
    study = written(frozen={"project": "0.0.9"})
    assert study.adopt() == []
    assert study.frozen()["project"] == project_version()
    assert not list(study.folder.glob("*format*")), "the format is the same"


def test_a_newer_format_is_refused_with_the_version_that_reads_it(written: MakeWritten) -> None:
    study = written(frozen={"format": FORMAT + 1, "project": "9.4.1"})
    before = files(study)
    for read in (study.config, study.frozen, study.adopt, lambda: show_status(study.folder)):
        with pytest.raises(UserError) as caught:
            read()
        message = str(caught.value)
        assert f"was written by deeplab-search 9.4.1 (format {FORMAT + 1})" in message
        assert f"this is version {project_version()}, which reads formats up to {FORMAT}" in message
        assert message.endswith("git checkout v9.4.1")
    assert files(study) == before


@pytest.mark.parametrize(
    ("sections", "reason"),
    [
        ({"recipe": {"mixup": True}}, "[recipe] mixup: unknown key"),
        ({"sweep": {"top": 3}}, "[sweep]: unknown key"),
        ({"hyperband": {"sampler": "evolution"}}, "[hyperband] sampler: given 'evolution'"),
    ],
)
def test_what_only_a_later_version_knows_is_refused_with_that_version(
    sections: dict[str, Any], reason: str, written: MakeWritten
) -> None:
    with pytest.raises(UserError) as caught:
        written(frozen={"project": "9.4.1"}, **sections).config()
    assert reason in str(caught.value)
    assert str(caught.value).endswith("git checkout v9.4.1")
    with pytest.raises(UserError) as caught:
        written(frozen={}, **sections).config()
    assert reason in str(caught.value)
    assert "git checkout" not in str(caught.value), "it is of this version, and was edited"


def test_other_versions_of_what_scores_depend_on_are_noted() -> None:
    here = versions()
    assert packages_note({"versions": here}) == []
    assert packages_note({}) == []
    assert packages_note({"versions": here | {"pandas": "0.1"}}) == [], "which decides on no score"
    other = {"tensorflow": "2.20.0", "keras": "3.12.0", "keras-tuner": here["keras-tuner"]}
    (note,) = packages_note({"versions": other})
    assert "tensorflow 2.20.0 (now " in note
    assert f"keras 3.12.0 (now {here['keras']})" in note
    assert "keras-tuner" not in note


def test_what_is_kept_of_a_damaged_file_is_its_whole_copy(written: MakeWritten) -> None:
    study = written(frozen={"format": None, "project": None})
    whole = study.config_file.read_bytes()
    study.config_file.write_bytes(whole[:80])
    study.adopt()
    assert (study.folder / "study.toml.format-1.bak").read_bytes() == whole
