"""The devices of this machine, divided among workers."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence

from search.trial.contract import Device


def share_devices(workers: int | None, gpus: Sequence[str], cores: int, threads: int | None = None) -> list[Device]:
    """One GPU per worker if there are GPUs, with the cores divided among them; otherwise the cores alone.

    On CPUs every worker has as many threads as there are cores, however many workers there are: the number of threads
    determines how sums are rounded, and a trial must not depend on what runs beside it.

    Args:
        workers: how many; None for one per GPU, or one.
        gpus: indices of the GPUs.
        cores: of this machine.
        threads: of each worker without a GPU; None for as many as there are cores.
    """
    count = workers or len(gpus) or 1
    if not gpus:
        return [Device(f"cpu{number}", None, threads or cores) for number in range(count)]
    share = max(1, cores // count)
    # More workers than GPUs share them in turn, as the user asked.
    return [
        Device(f"gpu{gpus[number % len(gpus)]}.{number}", gpus[number % len(gpus)], share) for number in range(count)
    ]


def list_gpus() -> list[str]:
    """Indices of the NVIDIA GPUs that this process may use, without touching them."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return [index.strip() for index in visible.split(",") if index.strip() not in ("", "-1")]
    if shutil.which("nvidia-smi") is None:
        return []
    command = ["nvidia-smi", "--query-gpu=index", "--format=csv,noheader"]
    # Not through TensorFlow: the driver must not touch a GPU.
    listed = subprocess.run(command, capture_output=True, text=True, check=False)
    return listed.stdout.split() if listed.returncode == 0 else []
