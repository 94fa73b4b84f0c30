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

# How long a process may take to end once it has given its result, in seconds.
EXIT_SECONDS = 10.0


class ProcessLost(Exception):
    """The process ended without a result."""


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
        try:
            self._process.start()
        except (OSError, EOFError) as error:
            # The fork server has been killed; the next start makes another one.
            self.future.set_exception(ProcessLost(f"could not be started: {error or type(error).__name__}"))
            return
        finally:
            sender.close()
        self.future.add_done_callback(lambda future: self._end_group() if future.cancelled() else None)
        self._watcher.start()

    def wait(self) -> None:
        """Return once nothing of the group is left."""
        if self._watcher.ident is not None:
            self._watcher.join()

    def _watch(self) -> None:
        # The pipe alone would not tell: whatever the trial started may hold its other end.
        connection.wait([self._receiver, self._process.sentinel])
        sent: list[T] = []
        with contextlib.suppress(EOFError, OSError):
            sent = [self._receiver.recv()] if self._receiver.poll() else []
        self._process.join(EXIT_SECONDS)
        self._end_group()
        self._process.join()
        self._receiver.close()
        if not self.future.set_running_or_notify_cancel():
            return
        if sent:
            self.future.set_result(sent[0])
        else:
            self.future.set_exception(ProcessLost(_ending(self._process.exitcode)))

    def _end_group(self) -> None:
        pid = self._process.pid
        if pid is None:
            return
        # Killed before it had a group of its own, only the process itself can be reached.
        for end in (os.killpg, os.kill):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                end(pid, signal.SIGKILL)
                return


def _serve(sender: connection.Connection, function: Callable[..., Any], arguments: Sequence[Any]) -> None:
    """The process: its own group, a result, and an end without ceremony."""
    _live_with_driver()
    sender.send(function(*arguments))
    sender.close()
    os._exit(0)


def _live_with_driver() -> None:
    """Give this process a group of its own, which ends as soon as the driver that started it is gone.

    So nobody writes beside the driver's successor. Ctrl-C is for the driver to answer.
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
