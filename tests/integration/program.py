"""The program as a user runs it: a command line in a process of its own."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import chdir, contextmanager, redirect_stderr, redirect_stdout, suppress
from pathlib import Path
from typing import Any, NamedTuple
from unittest.mock import patch

import tomli_w

from search.cli import main

PROGRAM = Path(sys.executable).with_name("deeplab-search")
# Longer than any wait here takes, on a machine that is busy with other work.
PATIENCE = 500.0

Table = dict[str, dict[str, Any]]


class Result(NamedTuple):
    """What a command gave back."""

    status: int
    out: str
    err: str

    @property
    def all(self) -> str:
        return f"exit status {self.status}\n{self.out}\n{self.err}"


def environment(**changes: str) -> dict[str, str]:
    """Of a user without a GPU and with a wide terminal, so that no line of a table is broken."""
    return {**os.environ, "CUDA_VISIBLE_DEVICES": "-1", "COLUMNS": "200", **changes}


def deeplab_search(*arguments: str | Path, cwd: Path, **changes: str) -> Result:
    """Run a command to its end, with its standard input closed; `changes` are of the environment."""
    done = subprocess.run(
        [PROGRAM, *map(str, arguments)],
        cwd=cwd,
        env=environment(**changes),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    return Result(done.returncode, done.stdout, done.stderr)


def deeplab_search_here(*arguments: str | Path, cwd: Path, **changes: str) -> Result:
    """Run a command in this process, which has loaded TensorFlow: for commands that start no trial."""
    out, err, status = io.StringIO(), io.StringIO(), 0
    with (
        chdir(cwd),
        patch.object(sys, "argv", [str(PROGRAM), *map(str, arguments)]),
        patch.dict(os.environ, environment(**changes)),
        redirect_stdout(out),
        redirect_stderr(err),
    ):
        try:
            main()
        except SystemExit as ended:
            status = int(ended.code or 0)
    return Result(status, out.getvalue(), err.getvalue())


class Running:
    """A command in flight, in a session of its own; its trials have process groups of their own in it."""

    def __init__(self, arguments: tuple[str | Path, ...], cwd: Path) -> None:
        self._log = cwd / f"output-{time.monotonic_ns()}.txt"
        with self._log.open("w") as log:
            self.process = subprocess.Popen(
                [PROGRAM, *map(str, arguments)],
                cwd=cwd,
                env=environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    @property
    def output(self) -> str:
        return self._log.read_text()

    def until(self, condition: Callable[[], object]) -> None:
        """Wait for a condition while the command runs."""

        def met_or_ended() -> bool:
            return bool(condition()) or self.process.poll() is not None

        wait_until(met_or_ended, lambda: self.output)
        assert condition(), f"the command ended with {self.process.returncode} before:\n{self.output}"

    def wait(self) -> int:
        """The exit status, once the command has ended by itself."""
        return self.process.wait(PATIENCE)

    def kill(self) -> None:
        """End the command and every process it started, at once."""
        for process in self.members():
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        self.process.wait(PATIENCE)
        wait_until(lambda: not self.members(), lambda: f"processes left over: {self.members()}")

    def members(self) -> list[int]:
        """The processes of the session that still run."""
        return [process for process, session in _sessions() if session == self.process.pid]


@contextmanager
def running(*arguments: str | Path, cwd: Path) -> Iterator[Running]:
    """A command that runs beside the test; nothing of it is left afterwards."""
    command = Running(arguments, cwd)
    try:
        yield command
    finally:
        command.kill()


def wait_until(
    condition: Callable[[], object],
    reason: Callable[[], str] = lambda: "",
    *,
    every: float = 0.02,
    patience: float = PATIENCE,
) -> None:
    """Wait for a condition, not for a time; look at it `every` so many seconds."""
    deadline = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < deadline, f"waited {patience:.0f} s in vain\n{reason()}"
        time.sleep(every)


def write_study(path: Path, table: Table, **changes: dict[str, Any]) -> Path:
    """Write a study file; `changes` replace single keys of its sections, or remove them (None)."""
    merged = {section: {**table.get(section, {}), **changes.get(section, {})} for section in {**table, **changes}}
    given = {
        section: {key: value for key, value in keys.items() if value is not None} for section, keys in merged.items()
    }
    path.write_text(tomli_w.dumps(given))
    return path


def listing(folder: Path) -> dict[str, tuple[int, int]]:
    """Every file and folder below, with size and time of change: equal listings mean that nothing was touched."""
    found = {}
    for path in sorted(folder.rglob("*")):
        state = path.lstat()
        found[str(path.relative_to(folder))] = (state.st_size, state.st_mtime_ns)
    return found


def _sessions() -> Iterator[tuple[int, int]]:
    """(process, its session) of every process that is no zombie."""
    shown = subprocess.run(["ps", "-A", "-o", "pid=,sess=,stat="], capture_output=True, text=True, check=True)
    for line in shown.stdout.splitlines():
        process, session, state = line.split()
        if not state.startswith("Z"):
            yield int(process), int(session)
