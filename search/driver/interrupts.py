"""Ctrl-C, SIGTERM and SIGHUP while a study runs."""

from __future__ import annotations

import logging
import signal
from collections.abc import Callable
from types import FrameType, TracebackType

log = logging.getLogger(__name__)


def ignore_hangups() -> None:
    """Go on when the terminal is closed, as under `nohup`; whatever is started from now on does so too."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)


class Interrupts:
    """Counts what asks the search to stop. Use as a context manager around the loop.

    The first Ctrl-C lets the epochs in flight finish; a second one, or SIGTERM, ends the trials at once.

    Args:
        stop: called at every interrupt: no new epoch starts.
        end: called when the trials must end at once.
        say: tells the user what happens.
    """

    def __init__(self, stop: Callable[[], None], end: Callable[[], None], say: Callable[[str], None]) -> None:
        self._stop, self._end, self._say = stop, end, say
        self.requested = False
        self.at_once = False

    def __enter__(self) -> Interrupts:
        self._before = {number: signal.signal(number, self._handle) for number in (signal.SIGINT, signal.SIGTERM)}
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _handle(self, number: int, _: FrameType | None) -> None:
        is_first = not self.requested
        self.requested = True
        self._stop()
        log.debug("interrupted by %s", signal.Signals(number).name)
        if is_first and number == signal.SIGINT:
            self._say("stopping after the epochs in flight; press Ctrl-C again to stop now")
            return
        self.at_once = True
        self._end()
