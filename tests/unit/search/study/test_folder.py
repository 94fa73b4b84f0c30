"""The study folder: what it is started with, and who may start it."""

from __future__ import annotations

from pathlib import Path

import pytest

from search.errors import UserError
from search.study.folder import Study, open_study
from tests.unit.search.conftest import MakeConfig, MakeStudy


def test_a_created_study_holds_its_configuration(make_study: MakeStudy, make_config: MakeConfig) -> None:
    sections = {"space": {"aspp_filters": [8, 16], "batch_size": [2, 4]}, "recipe": {"optimizer": "sgd"}}
    study = make_study(**sections)
    assert open_study(study.folder).config() == make_config(**sections)
    frozen = study.frozen()
    assert frozen["outputs"] == len(frozen["class_names"])
    assert {"python", "keras", "tensorflow"} <= {name.removesuffix("-cpu") for name in frozen["versions"]}
    study.check_startable(make_config(**sections), frozen["data_fingerprint"])


def test_another_configuration_is_refused_with_each_difference(make_study: MakeStudy, make_config: MakeConfig) -> None:
    study = make_study()
    config = make_config(hyperband={"max_epochs": 9, "factor": 2}, limits={"retries": 0})
    with pytest.raises(UserError) as caught:
        study.check_startable(config, study.frozen()["data_fingerprint"])
    _, factor, epochs, advice = str(caught.value).splitlines()
    assert factor == "  - hyperband.factor: the study has 3, the file says 2"
    assert epochs == "  - hyperband.max_epochs: the study has 3, the file says 9"
    assert "--fresh" in advice


def test_other_data_are_refused(make_study: MakeStudy, make_config: MakeConfig) -> None:
    with pytest.raises(UserError, match=r"the data has changed .*, now\s+other\)"):
        make_study().check_startable(make_config(), "other")


def test_a_folder_of_something_else_is_refused(tmp_path: Path, make_config: MakeConfig) -> None:
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter1.tex").touch()
    with pytest.raises(UserError, match=r"holds something other than a study \(chapter1\.tex\)"):
        Study(tmp_path / "thesis").check_startable(make_config(), "")
    with pytest.raises(UserError, match="is a file; expected a folder"):
        Study(tmp_path / "thesis" / "chapter1.tex").check_startable(make_config(), "")
    with pytest.raises(UserError, match=r"holds no study: there is no study\.toml"):
        open_study(tmp_path / "thesis")
    Study(tmp_path / "new").check_startable(make_config(), "")
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["chapter1.tex", "thesis"], "looking changes nothing"


def test_what_cannot_be_written_is_refused(tmp_path: Path) -> None:
    Study(tmp_path / "a" / "b").check_writable()
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="cannot be written"):
        Study(tmp_path / "file" / "study").check_writable()


def test_an_old_study_is_moved_aside_never_deleted(make_study: MakeStudy, tmp_path: Path) -> None:
    assert Study(tmp_path / "nothing").move_aside() is None
    kept = []
    for number in range(3):
        study = make_study()
        (study.folder / "note").write_text(str(number))
        kept.append(study.move_aside())
        assert not study.folder.exists()
    assert [(path / "note").read_text() for path in kept if path] == ["0", "1", "2"]


def test_every_cut_of_the_configuration_is_noticed_and_its_copy_read(
    make_study: MakeStudy, make_config: MakeConfig
) -> None:
    study = make_study()
    copy = study.folder / "study.toml.bak"
    whole = study.config_file.read_bytes()
    frozen = study.frozen()
    for length in range(0, len(whole), 7):
        study.config_file.write_bytes(whole[:length])
        assert (study.config(), study.frozen()) == (make_config(), frozen)
    study.config_file.unlink()
    assert open_study(study.folder).config() == make_config()

    copy.write_bytes(whole[: len(whole) // 2])
    study.config_file.write_bytes(whole[: len(whole) // 2])
    for read in (study.config, study.frozen):
        with pytest.raises(UserError, match=r"study\.toml is damaged, and so is its copy .*\n?.*--fresh"):
            read()


@pytest.mark.parametrize("trial_id", ["../other", "/etc", "", "a/b", "..", "0000-0/../x", "a\0b"])
def test_no_id_leads_out_of_the_study(tmp_path: Path, trial_id: str) -> None:
    with pytest.raises(UserError, match="is not a trial id"):
        Study(tmp_path).trial(trial_id)
