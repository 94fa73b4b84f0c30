"""Other programs: what they print, and a sentence where they do not answer."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from search.system.programs import NoAnswer, ask
from tests.integration.program import wait_until


def test_what_a_program_prints() -> None:
    assert ask(["sh", "-c", "echo one; echo two >&2"], 30) == "one\ntwo\n"


@pytest.mark.parametrize(
    ("script", "reason"),
    [("echo; echo no driver; exit 9", "sh failed (no driver)"), ("exit 3", "sh failed (exit status 3)")],
)
def test_a_failure_is_told_in_its_own_words(script: str, reason: str) -> None:
    with pytest.raises(NoAnswer) as caught:
        ask(["sh", "-c", script], 30)
    assert str(caught.value) == reason


def test_a_program_that_is_missing() -> None:
    with pytest.raises(NoAnswer, match=r"no-such-program cannot be run \(No such file or directory\)"):
        ask(["no-such-program"], 30)


def test_a_program_that_hangs_is_ended_with_what_it_has_started(tmp_path: Path) -> None:
    began = time.monotonic()
    with pytest.raises(NoAnswer, match=r"sh did not answer within 0\.5 s"):
        ask(["sh", "-c", f"sleep 1000 & echo $! > {tmp_path}/child; wait"], 0.5)
    assert time.monotonic() - began < 60
    child = int((tmp_path / "child").read_text())
    wait_until(lambda: not is_running(child))


def is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return "\nState:\tZ" not in Path(f"/proc/{process}/status").read_text()
