"""The cores of a machine, and of a container that may use less of them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from datasets.cores import usable_cores


@pytest.fixture(autouse=True)
def eight_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    """More than any quota here, whatever the machine has."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)


def write(folder: Path, **files: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / f"cpu.{name}").write_text(f"{content}\n")


def cores(folder: Path, *groups: str) -> int:
    (folder / "membership").write_text("".join(f"{group}\n" for group in groups))
    return usable_cores(folder, folder / "membership")


@pytest.mark.parametrize(
    ("quota", "expected"),
    [("max 100000", 8), ("200000 100000", 2), ("150000 100000", 2), ("20000 100000", 1), ("1600000 100000", 8)],
)
def test_a_quota_of_cgroup_2_is_rounded_up(tmp_path: Path, quota: str, expected: int) -> None:
    write(tmp_path, max=quota)
    assert cores(tmp_path, "0::/") == expected


@pytest.mark.parametrize("mount", ["cpu", "cpu,cpuacct"])
def test_a_quota_of_cgroup_1(tmp_path: Path, mount: str) -> None:
    write(tmp_path / mount, cfs_quota_us="250000", cfs_period_us="100000")
    # What Docker shows: the group's path is the host's, and does not exist in the container.
    assert cores(tmp_path, "9:memory:/docker/1f", f"4:{mount}:/docker/1f") == 3
    write(tmp_path / mount, cfs_quota_us="-1")
    assert cores(tmp_path, f"4:{mount}:/docker/1f") == 8


def test_the_smallest_quota_of_the_groups_around_counts(tmp_path: Path) -> None:
    write(tmp_path / "a", max="300000 100000")
    write(tmp_path / "a" / "b", max="600000 100000")
    assert cores(tmp_path, "0::/a/b") == 3
    assert cores(tmp_path, "0::/../elsewhere") == 8


@pytest.mark.parametrize("content", ["", "nonsense", "1 0", "1 2 3"])
def test_a_file_that_says_nothing_is_no_quota(tmp_path: Path, content: str) -> None:
    write(tmp_path, max=content)
    assert cores(tmp_path, "0::/") == 8
    assert usable_cores(tmp_path / "none", tmp_path / "none") == 8


def test_this_machine() -> None:
    assert 1 <= usable_cores() <= 8
