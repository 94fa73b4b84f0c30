"""The program as a user runs it: a command line in a process of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import tomli_w

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


class Running:
    """A command in flight, in a process group of its own."""

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
        if self.members():
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(PATIENCE)
        wait_until(lambda: not self.members(), lambda: f"processes left over: {self.members()}")

    def members(self) -> list[int]:
        """The processes of the group that still run."""
        return [process for process, group in _process_groups() if group == self.process.pid]


@contextmanager
def running(*arguments: str | Path, cwd: Path) -> Iterator[Running]:
    """A command that runs beside the test; nothing of it is left afterwards."""
    command = Running(arguments, cwd)
    try:
        yield command
    finally:
        command.kill()


def wait_until(condition: Callable[[], object], reason: Callable[[], str] = lambda: "") -> None:
    """Wait for a condition, not for a time."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, f"waited {PATIENCE:.0f} s in vain\n{reason()}"
        time.sleep(0.02)


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


def _process_groups() -> Iterator[tuple[int, int]]:
    """(process, its group) of every process that is no zombie."""
    shown = subprocess.run(["ps", "-A", "-o", "pid=,pgid=,stat="], capture_output=True, text=True, check=True)
    for line in shown.stdout.splitlines():
        process, group, state = line.split()
        if not state.startswith("Z"):
            yield int(process), int(group)
