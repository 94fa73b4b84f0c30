"""Why an attempt at a trial failed: its status, and the reason in one line."""

from __future__ import annotations

import re
from typing import Literal

from search.system.disk import is_disk_full


class CheckpointError(Exception):
    """A checkpoint is as it was written and cannot be restored all the same: the trial is to continue elsewhere."""


def status_of(error: BaseException) -> Literal["out_of_memory", "interrupted", "failed"]:
    """The status of the attempt.

    A full disk, damaged data and a checkpoint that this machine cannot restore are not the trial's fault: it continues
    once they are fixed.
    """
    # By name, so that this module does not import TensorFlow.
    if isinstance(error, MemoryError) or type(error).__name__ == "ResourceExhaustedError":
        return "out_of_memory"
    # TensorFlow passes on the errors of the input pipeline as text.
    is_data = "DataError: " in one_line(error)
    is_outside = is_data or is_disk_full(error) or isinstance(error, CheckpointError)
    return "interrupted" if is_outside else "failed"


def one_line(error: BaseException) -> str:
    """The exception's type and the most informative line of its message.

    TensorFlow wraps an error in a Python function into its traceback, and ends messages with graph nodes and hints.
    """
    stripped = (line.strip() for line in str(error).splitlines())
    lines = [line for line in stripped if line and not line.startswith(("[[", "Hint:"))]
    inner = [line for line in lines if re.match(r"[\w.]*(Error|Exception): ", line)]
    reason = (inner or lines)[-1:]
    return ": ".join([type(error).__name__, *reason])
