"""Trials that this version does not know again: of its own study damaged, of another version's never touched."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from search.errors import UserError
from search.oracle.factory import check_trials
from search.study.folder import Study
from search.system.machine import project_version
from tests.unit.search.conftest import MakeStudy
from tests.unit.search.oracles import make_oracle, new_oracle


def written_by(study: Study, version: str) -> None:
    """Make another version the one that drove the study last."""
    for file in (study.config_file, study.folder / "study.toml.bak"):
        before, own, after = file.read_text().partition(f'project = "{project_version()}"')
        assert own
        file.write_text(f'{before}project = "{version}"{after}')


def change_id(folder: Path) -> None:
    """Give a trial an id that this version does not compute, as one with other defaults would."""
    for file in (folder / "trial.json", folder / "trial.json.bak"):
        state = json.loads(file.read_text())
        state["record"]["config_id"] = "ffffffff"
        file.write_text(json.dumps(state))


def test_trials_that_another_version_wrote_are_never_set_aside(make_study: MakeStudy) -> None:
    study = make_study()
    oracle = make_oracle(study.folder)
    trials = [oracle.create_trial(f"slot{number}").trial_id for number in range(2)]
    change_id(study.trial(trials[0]))
    check_trials(study, new_oracle())  # of this version: that file was edited, and is told apart later

    written_by(study, "9.4.1")
    before = {path: path.read_bytes() for path in study.folder.rglob("*") if path.is_file()}
    with pytest.raises(UserError) as caught:
        check_trials(study, new_oracle())
    assert f"of trial_{trials[0]}, the hyperparameters do not give the configuration" in str(caught.value)
    assert str(caught.value).endswith("git checkout v9.4.1")
    assert {path: path.read_bytes() for path in study.folder.rglob("*") if path.is_file()} == before


def test_trials_of_another_version_that_are_known_again_are_taken_over(make_study: MakeStudy) -> None:
    study = make_study()
    oracle = make_oracle(study.folder)
    trial = oracle.create_trial("slot").trial_id
    written_by(study, "9.4.1")
    check_trials(study, new_oracle())
    assert make_oracle(study.folder).trials.keys() == {trial}
