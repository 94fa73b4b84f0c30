"""Who drives a study: one process at a time, and what others see of it."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from search.errors import UserError
from search.study.folder import Study
from search.study.lock import is_driven, lock_study, note_plan, noted_plan
from search.system.files import write_json
from tests.unit.search.conftest import MakeStudy


def test_a_study_has_one_driver(make_study: MakeStudy) -> None:
    study = make_study()
    assert not is_driven(study)
    with lock_study(study):
        assert is_driven(study)
        held = rf"another run drives this study \(process {os.getpid()} on {socket.gethostname()}, since 20"
        with pytest.raises(UserError, match=held), lock_study(Study(study.folder)):
            pass
    assert not is_driven(study)
    with lock_study(Study(study.folder)):
        pass


def test_a_dead_driver_holds_nothing(make_study: MakeStudy) -> None:
    study = make_study()
    code = "import os, sys; from pathlib import Path; from search.study.folder import Study; "
    code += "from search.study.lock import lock_study; "
    code += "lock = lock_study(Study(Path(sys.argv[1]))); lock.__enter__(); os.kill(os.getpid(), 9)"
    killed = subprocess.run([sys.executable, "-c", code, str(study.folder)], cwd=Path(__file__).parents[4], check=False)
    assert killed.returncode == -9
    assert study.driver_file.exists()
    assert not is_driven(study)
    with lock_study(study):
        pass


def test_a_driver_on_another_machine_runs_until_it_signs_off(make_study: MakeStudy) -> None:
    study = make_study()
    write_json(study.driver_file, {"process": 1, "host": "elsewhere"})
    assert is_driven(study)
    study.driver_file.unlink()
    assert not is_driven(study)


@pytest.mark.parametrize("content", ["", "[]", '{"process": "1", "host": 5}', '{"process": {}}', "{"])
def test_a_damaged_driver_file_is_no_driver(make_study: MakeStudy, content: str) -> None:
    study = make_study()
    study.driver_file.write_text(content)
    assert not is_driven(study)
    assert noted_plan(study) == (1, None)


def test_what_the_driver_notes_others_read_until_it_is_gone(make_study: MakeStudy) -> None:
    study = make_study()
    with lock_study(study):
        note_plan(study, workers=3, configurations=7)
        assert is_driven(study)
        assert noted_plan(Study(study.folder)) == (3, 7)
    assert noted_plan(study) == (1, None)
