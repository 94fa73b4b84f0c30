"""One attempt at a trial: a process with a process group of its own, so that whatever it starts ends with it."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Callable
from concurrent.futures import Future
from multiprocessing import connection, parent_process
from multiprocessing.context import ForkServerContext

from search.trial import Outcome, TrialSpec, run_trial

# How long a process may take to end once it has given its outcome, in seconds.
EXIT_SECONDS = 10.0


class ProcessLost(Exception):
    """The process ended without an outcome."""


class TrialProcess:
    """Runs one attempt. `future` gets its outcome, or `ProcessLost`; cancelling it ends the process group at once.

    Args:
        context: how processes are made.
        spec: what to run.
        run: what runs it.
    """

    def __init__(
        self, context: ForkServerContext, spec: TrialSpec, run: Callable[[TrialSpec], Outcome] = run_trial
    ) -> None:
        self.future: Future[Outcome] = Future()
        self._receiver, sender = context.Pipe(duplex=False)
        self._process = context.Process(target=_serve, args=(sender, spec, run), name=f"trial {spec.trial_id}")
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
        outcome: Outcome | None = None
        with contextlib.suppress(EOFError, OSError):
            outcome = self._receiver.recv() if self._receiver.poll() else None
        self._process.join(EXIT_SECONDS)
        self._end_group()
        self._process.join()
        self._receiver.close()
        if not self.future.set_running_or_notify_cancel():
            return
        if outcome is None:
            self.future.set_exception(ProcessLost(_ending(self._process.exitcode)))
        else:
            self.future.set_result(outcome)

    def _end_group(self) -> None:
        pid = self._process.pid
        if pid is None:
            return
        # Killed before it had a group of its own, only the process itself can be reached.
        for end in (os.killpg, os.kill):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                end(pid, signal.SIGKILL)
                return


def _serve(sender: connection.Connection, spec: TrialSpec, run: Callable[[TrialSpec], Outcome]) -> None:
    """The process: its own group, an outcome, and an end without ceremony."""
    os.setpgid(0, 0)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the driver to answer
    _follow_driver()
    sender.send(run(spec))
    sender.close()
    os._exit(0)


def _follow_driver() -> None:
    """End this group as soon as the driver that started it is gone, so that nobody writes beside its successor."""
    driver = parent_process()
    if driver is None:
        raise RuntimeError("a trial's process is started by a driver")
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
