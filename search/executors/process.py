"""A call in a process of its own, with a process group of its own, so that whatever it starts ends with it."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from multiprocessing import connection, parent_process
from multiprocessing.context import ForkServerContext, SpawnContext
from typing import Any, Generic, TypeVar

T = TypeVar("T")

# How long a process that gives no result may take to end by itself, so that it is known how, in seconds.
EXIT_SECONDS = 10.0
# A process that is in a system call that never returns cannot be killed; it is waited for no longer than this.
KILL_SECONDS = 30.0
# The exit status that multiprocessing gives a process whose fork server has gone.
_SERVER_GONE = 255


class ProcessLost(Exception):
    """The process ended without a result."""


class ProcessNotStarted(ProcessLost):
    """The process could not be started at all, which no trial is to blame for."""


class ServerLost(ProcessLost):
    """The server that the process was forked from has gone, and the process with it; a new start makes another one."""


class OwnProcess(Generic[T]):
    """Runs one call. `future` gets what it returns, or `ProcessLost`; cancelling it ends the process group at once.

    Args:
        context: how processes are made.
        function: what to run; what it returns is sent back as plain data.
        arguments: of the call.
        name: of the process, for people.
    """

    def __init__(
        self, context: ForkServerContext | SpawnContext, function: Callable[..., T], *arguments: Any, name: str
    ) -> None:
        self.future: Future[T] = Future()
        self._receiver, sender = context.Pipe(duplex=False)
        self._process = context.Process(target=_serve, args=(sender, function, arguments), name=name)
        self._watcher = threading.Thread(target=self._watch, daemon=True, name=self._process.name)
        self._signals = threading.Lock()
        self._is_waited_for = False
        try:
            self._process.start()
            self._watcher.start()
        # No process or thread can be had, or the fork server has been killed; the next start makes another one.
        except (OSError, EOFError, RuntimeError) as error:
            self._end_group(os.killpg, os.kill)
            self._receiver.close()
            self.future.set_exception(ProcessNotStarted(f"no process can be started: {error or type(error).__name__}"))
            return
        finally:
            # Only the process may hold this end, so that the pipe ends when the process does.
            sender.close()
        self.future.add_done_callback(self._end_if_cancelled)

    @property
    def is_started(self) -> bool:
        """Whether there was a process at all."""
        return self._watcher.ident is not None

    def wait(self) -> None:
        """Return once nothing of the group is left, or it has turned out that it cannot be killed."""
        if self.is_started:
            self._watcher.join(KILL_SECONDS)

    def _watch(self) -> None:
        # The pipe alone would not tell: whatever the trial started may hold its other end.
        connection.wait([self._receiver, self._process.sentinel])
        sent: list[T] = []
        with contextlib.suppress(EOFError, OSError):
            sent = [self._receiver.recv()] if self._receiver.poll() else []
        if not sent:
            connection.wait([self._process.sentinel], EXIT_SECONDS)
        self._end_group(os.killpg)
        with self._signals:
            self._is_waited_for = True
        self._process.join()
        self._receiver.close()
        # Only now, because a future that is marked as running could no longer be cancelled.
        if not self.future.set_running_or_notify_cancel():
            return
        if sent:
            self.future.set_result(sent[0])
        else:
            self.future.set_exception(self._loss())

    def _loss(self) -> ProcessLost:
        code = self._process.exitcode
        return ServerLost("its fork server has gone") if code == _SERVER_GONE else ProcessLost(_ending(code))

    def _end_if_cancelled(self, future: Future[T]) -> None:
        if future.cancelled():
            # Killed before it had a group of its own, only the process itself can be reached.
            self._end_group(os.killpg, os.kill)

    def _end_group(self, *ways: Callable[[int, int], None]) -> None:
        """Kill what can be reached in the first of these ways; never after the process was waited for.

        From then on its number may belong to another process.
        """
        with self._signals:
            pid = self._process.pid
            if pid is None or self._is_waited_for:
                return
            for kill in ways:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    kill(pid, signal.SIGKILL)
                    return


def _serve(sender: connection.Connection, function: Callable[..., Any], arguments: Sequence[Any]) -> None:
    """The body of the process: its own group, the call, its result, and an immediate exit."""
    _live_with_driver()
    sender.send(function(*arguments))
    # The driver kills the group: as long as this process is there, no other one can have its number.
    while True:
        signal.pause()


def _live_with_driver() -> None:
    """Give this process a group of its own, which ends as soon as the driver that started it is gone.

    So no trial of the old driver writes while its successor runs. Ctrl-C is for the driver to answer.
    """
    os.setpgid(0, 0)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    driver = parent_process()
    if driver is None:
        raise RuntimeError("this runs in a process that another has started")
    sentinel = driver.sentinel

    def wait() -> None:
        connection.wait([sentinel])
        os.killpg(0, signal.SIGKILL)

    threading.Thread(target=wait, daemon=True, name="follow-driver").start()


def _ending(code: int | None) -> str:
    """How a process ended, for people."""
    if code is None or code >= 0:
        return f"exit status {code}"
    name = signal.Signals(-code).name if -code in set(signal.Signals) else f"signal {-code}"
    hint = "; the system does so where memory runs out" if -code == signal.SIGKILL else ""
    return f"killed by {name}{hint}"
