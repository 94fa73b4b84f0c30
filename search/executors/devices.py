"""The devices of this machine, divided among workers."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from itertools import takewhile
from typing import NamedTuple

from search.system.programs import NoAnswer, ask
from search.trial.contract import Device

# A driver that hangs would keep `nvidia-smi` for ever; one that works answers within this time, in seconds.
PATIENCE = 10.0

_ON_CPU = "trials run on the CPU cores"


class Gpus(NamedTuple):
    """The NVIDIA GPUs that this process may use.

    Attributes:
        names: an index or a UUID of each, for `CUDA_VISIBLE_DEVICES`.
        note: why there are fewer than were asked for, or could be; None where there is nothing to say.
    """

    names: list[str]
    note: str | None = None


def share_devices(workers: int | None, gpus: Sequence[str], cores: int, threads: int | None = None) -> list[Device]:
    """One GPU per worker if there are GPUs, with the cores divided among them; otherwise the cores alone.

    On CPUs every worker has as many threads as there are cores, however many workers there are: the number of threads
    determines how sums are rounded, and a trial must not depend on what runs beside it.

    Args:
        workers: how many; None for one per GPU, or one.
        gpus: indices or UUIDs of the GPUs.
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
    """The NVIDIA GPUs that this process may use, without touching them; see `find_gpus`."""
    return find_gpus().names


def find_gpus() -> Gpus:
    """The NVIDIA GPUs that this process may use, without touching them.

    `CUDA_VISIBLE_DEVICES` is read as CUDA reads it: what is neither an index nor a UUID ends the list (`-1`, an empty
    value, Slurm's `NoDevFiles`), and so does the index of a GPU that does not exist.
    """
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    return _installed() if visible is None else _visible(visible)


def _installed() -> Gpus:
    """Every GPU of this machine."""
    if shutil.which("nvidia-smi") is None:
        return Gpus([])
    try:
        return Gpus(_ask_indices())
    except NoAnswer as error:
        return Gpus([], f"{error}: {_ON_CPU}")


def _visible(visible: str) -> Gpus:
    """The GPUs that `CUDA_VISIBLE_DEVICES` names."""
    given = [name.strip() for name in visible.split(",")]
    wanted = list(takewhile(_is_name, given))
    names = _existing(wanted)
    if names != wanted:
        rest = f"only {', '.join(names)} of it can be used" if names else _ON_CPU
        return Gpus(names, f"CUDA_VISIBLE_DEVICES is {visible}, and there is no GPU {wanted[len(names)]}: {rest}")
    if not names and given[0] not in ("", "-1"):
        return Gpus([], f"CUDA_VISIBLE_DEVICES is {visible}, which names no GPU: {_ON_CPU}")
    return Gpus(names)


def _is_name(name: str) -> bool:
    return name.isdecimal() or name.startswith(("GPU-", "MIG-"))


def _existing(wanted: list[str]) -> list[str]:
    """The GPUs up to the first index that does not exist; all where that cannot be known without touching them."""
    if not any(name.isdecimal() for name in wanted):
        return wanted
    try:
        indices = {int(index) for index in _ask_indices()}
    except NoAnswer:
        return wanted
    return list(takewhile(lambda name: not name.isdecimal() or int(name) in indices, wanted))


def _ask_indices() -> list[str]:
    """The indices of this machine's GPUs. Raises NoAnswer."""
    # Not through TensorFlow: the driver must not touch a GPU.
    printed = ask(["nvidia-smi", "--query-gpu=index", "--format=csv,noheader"], PATIENCE)
    return [index for index in printed.split() if index.isdecimal()]


def gpu_names() -> str:
    """The names of this machine's GPUs, for people. Raises NoAnswer."""
    printed = ask(["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"], PATIENCE)
    return ", ".join(printed.split("\n")[:4]).strip(", ") or "an NVIDIA GPU"
