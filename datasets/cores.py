"""The processor cores that this process may use."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    pass


def usable_cores() -> int:
    """Number of cores this process may run on."""
    # `taskset` and containers may leave a process fewer cores than the machine has; macOS has no such call.
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
