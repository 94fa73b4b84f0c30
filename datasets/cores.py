"""The processor cores that this process may use."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

# Where Linux shows control groups, and those that this process belongs to.
_CGROUPS = Path("/sys/fs/cgroup")
_MEMBERSHIP = Path("/proc/self/cgroup")


def usable_cores(cgroups: Path = _CGROUPS, membership: Path = _MEMBERSHIP) -> int:
    """Number of cores this process may use: those it is bound to, or fewer where a container has a quota of their time.

    Args:
        cgroups: where control groups are mounted, of version 1 or 2.
        membership: the file that names the groups of this process.
    """
    # `taskset` leaves a process fewer cores than the machine has; macOS has no such call.
    bound = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = min(_quotas(cgroups, membership), default=bound)
    return max(1, min(bound, math.ceil(quota)))


def _quotas(cgroups: Path, membership: Path) -> Iterator[float]:
    """The cores that each group of this process, and each group around it, may use; none where there is no quota."""
    for line in _lines(membership):
        _, controllers, path = line.split(":", 2)
        if controllers and "cpu" not in controllers.split(","):
            continue
        mounts = (controllers, "cpu") if controllers else ("", "unified")
        for mount in mounts:
            for group in _group_and_parents(path):
                quota = _quota(cgroups / mount / group)
                if quota is not None:
                    yield quota


def _group_and_parents(path: str) -> list[PurePosixPath]:
    """The folders of a group and of those around it; in a container, the last of them may be all that is visible."""
    group = PurePosixPath(path.lstrip("/"))
    return [PurePosixPath()] if ".." in group.parts else [group, *group.parents]


def _quota(group: Path) -> float | None:
    """The cores of one group; None where it has no quota."""
    both = _lines(group / "cpu.max") or [
        " ".join(_lines(group / "cpu.cfs_quota_us") + _lines(group / "cpu.cfs_period_us"))
    ]
    try:
        quota, period = map(int, both[0].split())
    except ValueError:  # such as "max 100000"
        return None
    return quota / period if quota > 0 and period > 0 else None


def _lines(file: Path) -> list[str]:
    try:
        return file.read_text(encoding="utf-8").splitlines()
    except OSError:
        return []
