"""Other programs that are asked something: each has a time limit, and each failure a sentence."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Sequence


class NoAnswer(Exception):
    """A program gave no answer; the message says why."""


def ask(command: Sequence[str], seconds: float) -> str:
    """What a program prints.

    Args:
        command: the program and its arguments.
        seconds: how long it may take; it and whatever it has started are killed then.

    Raises:
        NoAnswer: it does not exist, fails, or takes too long.
    """
    name = command[0]
    try:
        program = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
            start_new_session=True,
        )
    except OSError as error:
        raise NoAnswer(f"{name} cannot be run ({error.strerror})") from None
    try:
        printed, _ = program.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        _abandon(program)
        raise NoAnswer(f"{name} did not answer within {seconds:g} s") from None
    if program.returncode:
        lines = [line.strip() for line in printed.splitlines() if line.strip()]
        raise NoAnswer(f"{name} failed ({lines[0] if lines else f'exit status {program.returncode}'})")
    return printed


def _abandon(program: subprocess.Popen[str]) -> None:
    """Kill a program with all that it has started; one that hangs in the system, which cannot be killed, is left."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(program.pid, signal.SIGKILL)
    if program.stdout is not None:
        program.stdout.close()
    with contextlib.suppress(subprocess.TimeoutExpired):
        program.wait(1)
