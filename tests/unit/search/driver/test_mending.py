"""What a killed process left half written is removed; what another process is writing is not."""

from __future__ import annotations

import os
import subprocess
import sys

from search.driver.mending import mend
from tests.unit.search.conftest import MakeStudy


def test_the_unfinished_files_of_dead_processes_alone_are_removed(make_study: MakeStudy) -> None:
    study = make_study()
    waiting = [sys.executable, "-c", "import sys; sys.stdin.read()"]
    with subprocess.Popen(waiting, stdin=subprocess.PIPE) as writer:
        dead = subprocess.Popen([sys.executable, "-c", ""])
        dead.wait()
        written = study.folder / f".report.html.{writer.pid}.tmp"
        # Where processes have few numbers, as in containers, the one that was killed may have had ours.
        left = [study.folder / f".trials.csv.{process}.tmp" for process in (dead.pid, os.getpid(), 0, 10**30, "x")]
        for path in (written, *left):
            path.write_text("half")
        assert sorted(mend(study)) == sorted(f"{path} was half written; removed" for path in left)
        assert not any(path.exists() for path in left)
        assert written.exists()
        writer.communicate()
    assert mend(study) == [f"{written} was half written; removed"]
