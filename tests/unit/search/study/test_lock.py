"""Who drives a study: one process at a time, and what others see of it."""

from __future__ import annotations

import errno
import fcntl
import os
import socket
import subprocess
import sys
import threading
import time
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from search.errors import UserError
from search.study import lock
from search.study.folder import Study
from search.study.lock import is_driven, lock_study, lost_driver, note_plan, noted_plan
from search.system.files import read_json, write_json
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


def signed(seconds: float) -> str:
    """The time that is this many seconds from now, as a driver writes it."""
    return (datetime.now().astimezone() + timedelta(seconds=seconds)).isoformat(timespec="seconds")


def sign_elsewhere(study: Study, **changes: object) -> None:
    """What a driver on a machine whose locks are not seen here has written."""
    driver = {"process": 1, "host": "elsewhere", "started": signed(-7200), "last_sign": signed(-5)}
    write_json(study.driver_file, driver | changes)


@pytest.mark.parametrize("process", [os.getpid(), 1], ids=["this", "the first"])
def test_a_process_number_that_belongs_to_something_else_is_not_a_driver(make_study: MakeStudy, process: int) -> None:
    study, host = make_study(), socket.gethostname()
    write_json(study.driver_file, {"process": process, "host": host, "started": signed(-3700)})
    assert not is_driven(study)
    assert lost_driver(study) == f"its driver (process {process} on {host}) gave its last sign 1 h 01 min ago"


def test_a_driver_on_another_machine_runs_while_it_gives_signs(make_study: MakeStudy) -> None:
    study = make_study()
    sign_elsewhere(study)
    assert is_driven(study)
    sign_elsewhere(study, last_sign=signed(-1800))
    assert not is_driven(study)
    assert lost_driver(study).startswith("its driver (process 1 on elsewhere) gave its last sign 30 min ")
    sign_elsewhere(study, last_sign=None)  # as version 0.1 does
    assert not is_driven(study)
    assert "2 h 00 min ago" in lost_driver(study)
    study.driver_file.unlink()
    assert not is_driven(study)
    assert lost_driver(study) == ""


def test_a_driver_gives_signs_and_keeps_what_it_noted(make_study: MakeStudy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock, "BEAT", 0.05)
    study = make_study()
    with lock_study(study):
        note_plan(study, workers=3, configurations=7)
        first = read_json(study.driver_file)
        deadline = time.monotonic() + 30
        while (present := read_json(study.driver_file)) == first and time.monotonic() < deadline:
            time.sleep(0.05)
        assert isinstance(present, dict)
        assert isinstance(first, dict)
        assert present != first, "it says the time, to the second"
        assert {**present, "last_sign": first["last_sign"]} == first
    assert not study.driver_file.exists()


def test_a_study_is_taken_over_from_a_silent_driver_elsewhere_alone(
    make_study: MakeStudy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lock, "WAIT", 1.0)
    study = make_study()
    said: list[str] = []
    sign_elsewhere(study)
    alive = threading.Timer(0.3, lambda: sign_elsewhere(study, last_sign=signed(0)))
    alive.start()
    held = r"another run drives this study \(process 1 on elsewhere"
    with pytest.raises(UserError, match=held), lock_study(study, say=said.append):
        pass
    alive.join()
    assert study.driver_file.exists(), "it is the other driver's"
    assert "waiting 1 s for another one" in said[0]

    with lock_study(study, say=said.append):
        assert is_driven(study)
    assert len(said) == 2
    sign_elsewhere(study, last_sign=signed(-3600))
    with lock_study(study, say=said.append):
        assert is_driven(study)
    assert len(said) == 2, "nobody waits for a driver that has been silent for an hour"


def test_whoever_asks_keeps_the_lock_from_nobody(make_study: MakeStudy) -> None:
    study = make_study()
    over = threading.Event()

    def ask() -> None:
        while not over.is_set():
            is_driven(study)

    asking = [threading.Thread(target=ask) for _ in range(4)]
    for thread in asking:
        thread.start()
    try:
        for _ in range(50):
            with lock_study(study):
                pass
    finally:
        over.set()
        for thread in asking:
            thread.join()


def test_a_file_system_without_locks_is_one_message(make_study: MakeStudy, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(descriptor: int, operation: int) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    study, host = make_study(), socket.gethostname()
    monkeypatch.setattr(fcntl, "flock", refuse)
    with pytest.raises(UserError, match=r"this file system cannot lock files .*--directory DIR"), lock_study(study):
        pass
    write_json(study.driver_file, {"process": 1, "host": host, "last_sign": signed(-5)})
    assert is_driven(study), "its signs are all that can be seen"
    write_json(study.driver_file, {"process": 1, "host": host, "last_sign": signed(-300)})
    assert not is_driven(study)


def test_a_folder_that_is_moved_aside_takes_no_lock_with_it(make_study: MakeStudy) -> None:
    study = make_study()
    before = study.config_file.read_bytes()
    with lock_study(study, anew=True) as aside:
        assert aside is not None
        assert (aside / "study.toml").read_bytes() == before
        assert is_driven(study)
        assert not is_driven(Study(aside))
        assert not study.exists
        with pytest.raises(UserError, match="another run drives"), lock_study(Study(study.folder), anew=True):
            pass
    assert sorted(path.name for path in aside.iterdir()) == ["study.toml", "study.toml.bak"]
    with lock_study(study, anew=True) as nothing:
        assert nothing is None, "a remnant is not a study, and blocks nothing"


START_ANEW = """
import sys, time
from pathlib import Path
from search.errors import UserError
from search.study.folder import Study
from search.study.lock import lock_study
study = Study(Path(sys.argv[1]))
sys.stdin.readline()
for _ in range(20):
    try:
        with lock_study(study, anew=True):
            if study.exists:
                continue  # another one came between the old folder and the new: `run` compares with what it started
            study.config_file.write_text(sys.argv[2])
            time.sleep(0.01)
            assert study.config_file.read_text() == sys.argv[2]
            print("won", flush=True)
    except UserError as error:
        assert "another run drives" in str(error), error
"""


def test_of_processes_that_start_anew_together_one_has_the_name(make_study: MakeStudy) -> None:
    study = make_study()
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", START_ANEW, str(study.folder), str(number)],
            cwd=Path(__file__).parents[4],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for number in range(4)
    ]
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    ended = [process.communicate(timeout=300) for process in processes]
    assert [process.returncode for process in processes] == [0] * 4, ended
    # Each that won has moved the study before aside; nothing was overwritten.
    won = sum(out.count("won") for out, _ in ended)
    assert len(list(study.folder.parent.glob(f"{study.folder.name}.*"))) == won


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
