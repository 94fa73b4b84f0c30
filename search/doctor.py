"""The `doctor` command: what this machine has for a search."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import shutil
import subprocess
from pathlib import Path

from rich.console import Console
from rich.table import Table

from search.executors.local import list_gpus
from search.quiet import load_tensorflow
from search.study import free_bytes, versions

# Optional packages, and what they are for.
OPTIONAL = {"tensorflow": "GPU and CPU training (the large build)", "tensorflow-cpu": "CPU training (the small build)"}


def show_doctor() -> None:
    """Print devices, versions, disk space, and what is installed or missing."""
    console = Console(highlight=False)
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    for name, value in [*_machine(), *_devices(), *_packages(), *_disk()]:
        table.add_row(name, value)
    console.print(table)


def _machine() -> list[tuple[str, str]]:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return [
        ("system", f"{platform.system()} {platform.release()}, {platform.machine()}"),
        ("cores", f"{os.cpu_count()}, {memory:.0f} GB of memory"),
    ]


def _devices() -> list[tuple[str, str]]:
    load_tensorflow()
    import tensorflow as tf

    rows = []
    driver = list_gpus()
    usable = tf.config.list_physical_devices("GPU")
    for device in usable:
        details = tf.config.experimental.get_device_details(device)
        capability = ".".join(map(str, details.get("compute_capability", ("?",))))
        rows.append(("GPU", f"{details.get('device_name', device.name)}, compute capability {capability}"))
    if driver and not usable:
        rows.append(("GPU", f"[yellow]{_gpu_names()}: TensorFlow can't use it; install the GPU build with `make gpu`"))
    if not driver and not usable:
        rows.append(("GPU", "none found: trials share the cores"))
    workers = len(usable) or 1
    rows.append(("workers", f"{workers} by default ({'one a GPU' if usable else 'more with --workers'})"))
    return rows


def _gpu_names() -> str:
    command = ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"]
    listed = subprocess.run(command, capture_output=True, text=True, check=False)
    return ", ".join(listed.stdout.split("\n")[:4]).strip(", ") or "an NVIDIA GPU"


def _packages() -> list[tuple[str, str]]:
    found = versions()
    rows = [(name, version) for name, version in found.items()]
    for name in ("pandas", "pebble", "pydantic", "rich", "typer"):
        if name not in found:
            rows.append((name, _version(name)))
    rows.append(("ray", "not installed; not needed (trials run on this machine)") if _version("ray") == "missing" else ("ray", _version("ray")))
    return rows


def _version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return "missing"


def _disk() -> list[tuple[str, str]]:
    results = Path("results")
    free = free_bytes(results) / 2**30
    total = shutil.disk_usage(Path.cwd()).total / 2**30
    low = "  [yellow](low: a study keeps a few checkpoints of up to some 200 MB each)" if free < 5 else ""
    return [("disk", f"{free:.0f} GB free of {total:.0f} GB for {results.resolve()}{low}")]
