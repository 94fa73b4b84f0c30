"""Which GPUs a search may use: as CUDA has it, and without waiting for a driver that hangs."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from search.executors import devices
from search.executors.devices import find_gpus, gpu_names, list_gpus
from search.system.programs import NoAnswer

Install = Callable[[str], None]
ON_CPU = "trials run on the CPU cores"


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Puts a program called `nvidia-smi`, with the given script, before all others."""

    def install(script: str) -> None:
        program = tmp_path / "nvidia-smi"
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")

    return install


@pytest.mark.parametrize(
    ("visible", "expected"),
    [
        ("0,1", ["0", "1"]),
        (" 1 , 0 ", ["1", "0"]),
        ("", []),
        ("-1", []),
        ("NoDevFiles", []),
        ("-1,0", []),
        ("1,-1,0", ["1"]),
        ("0,,1", ["0"]),
        ("0,nonsense,1", ["0"]),
        ("0,5,1", ["0"]),
        ("5", []),
        ("GPU-8932f937,1", ["GPU-8932f937", "1"]),
        ("MIG-GPU-8932f937/1/0", ["MIG-GPU-8932f937/1/0"]),
        ("MIG-6e6dd4f4-1b3c", ["MIG-6e6dd4f4-1b3c"]),
    ],
)
def test_visible_gpus_are_those_of_cuda(
    visible: str, expected: list[str], install: Install, monkeypatch: pytest.MonkeyPatch
) -> None:
    install("echo 0; echo 1")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert list_gpus() == expected


@pytest.mark.parametrize(
    ("visible", "note"),
    [
        ("0,1", None),
        ("", None),
        ("-1", None),
        ("NoDevFiles", f"CUDA_VISIBLE_DEVICES is NoDevFiles, which names no GPU: {ON_CPU}"),
        ("5", f"CUDA_VISIBLE_DEVICES is 5, and there is no GPU 5: {ON_CPU}"),
        ("0,5,1", "CUDA_VISIBLE_DEVICES is 0,5,1, and there is no GPU 5: only 0 of it can be used"),
    ],
)
def test_less_than_was_asked_for_is_said(
    visible: str, note: str | None, install: Install, monkeypatch: pytest.MonkeyPatch
) -> None:
    install("echo 0; echo 1")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert find_gpus().note == note


def test_all_gpus_where_nothing_is_chosen(install: Install, monkeypatch: pytest.MonkeyPatch) -> None:
    install('case "$*" in *name*) echo "NVIDIA H100"; echo "NVIDIA L4";; *) echo 0; echo 1;; esac')
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert find_gpus() == (["0", "1"], None)
    assert gpu_names() == "NVIDIA H100, NVIDIA L4"


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("sleep 1000", "nvidia-smi did not answer within 0.5 s"),
        ("echo 'Failed to initialize NVML: Unknown Error'; exit 255", "nvidia-smi failed (Failed to initialize NVML"),
    ],
)
def test_a_driver_that_does_not_answer_is_said(
    script: str, reason: str, install: Install, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(script)
    monkeypatch.setattr(devices, "PATIENCE", 0.5)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    names, note = find_gpus()
    assert names == []
    assert str(note).startswith(reason)
    assert str(note).endswith(ON_CPU)
    with pytest.raises(NoAnswer):
        gpu_names()
    # What was chosen cannot be checked here; each device is tried before the first trial.
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3")
    assert find_gpus() == (["3"], None)


def test_a_machine_without_a_driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert find_gpus() == ([], None)
    with pytest.raises(NoAnswer, match="nvidia-smi cannot be run"):
        gpu_names()
