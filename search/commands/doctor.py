"""The `doctor` command: what this machine has for a search, and whether the files of a study are whole."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import shutil
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from datasets.cores import usable_cores
from search.errors import UserError
from search.executors.devices import find_gpus, gpu_names
from search.study import is_driven, lock_study, open_study
from search.system.disk import free_bytes
from search.system.files import folder_bytes, writing_to
from search.system.machine import versions
from search.system.programs import NoAnswer
from search.system.quiet import load_tensorflow
from search.system.wording import mebibytes, plural
from search.terminal import make_console

# Packages that the project needs besides those whose versions a study records.
NEEDED = ("filelock", "pillow", "pydantic", "rich", "typer", "tomli-w")


def show_doctor() -> None:
    """Print devices, versions, disk space, and what is installed or missing."""
    console = Console(highlight=False)
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    for name, value in [*_machine(), *_devices(), *_packages(), *_disk()]:
        table.add_row(name, value)
    console.print(table)


def check_study(folder: Path) -> None:
    """Print what is damaged in a study and what was repaired; only looks while a search runs, or if it is read-only.

    Raises:
        UserError: the folder holds no study, or one whose configuration is lost, or something in it cannot be written.
    """
    study = open_study(folder)
    console = make_console()
    config = study.config()
    load_tensorflow()  # KerasTuner, which wrote the trials' files, needs it
    from search.driver.mending import damaged_checkpoints, damaged_records, derived_damage, mend
    from search.oracle.trials import FILE, is_trial_file

    if is_driven(study):
        console.print(f"{folder} is being searched: its files are looked at, and left as they are", style="yellow")
        found = [*damaged_checkpoints(study), *derived_damage(study)]
    elif not os.access(study.folder, os.W_OK):
        note = f"{folder} is read-only: its files are looked at, and nothing can be mended"
        console.print(note, style="yellow", soft_wrap=True)
        found = [*damaged_records(study), *damaged_checkpoints(study), *derived_damage(study)]
    else:
        with writing_to(study.folder), lock_study(study, say=console.print):
            found = [*mend(study), *derived_damage(study)]
    for line in found:
        console.print(line, style="yellow", soft_wrap=True)
    trials = sum(is_trial_file(trial / FILE) for trial in study.trial_folders())
    console.print(f"{config.study.name}: {plural(trials, 'trial')}, {mebibytes(folder_bytes(folder))} on disk")
    console.print("nothing is damaged" if not found else f"{len(found)} found", style="" if found else "bold green")


def _machine() -> list[tuple[str, str]]:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return [
        ("system", f"{platform.system()} {platform.release()}, {platform.machine()}"),
        ("cores", f"{usable_cores()} of {os.cpu_count()}, {memory:.0f} GB of memory"),
    ]


def _devices() -> list[tuple[str, str]]:
    try:
        load_tensorflow()
    except UserError as error:
        return [("TensorFlow", f"[red]missing: {escape(str(error))}")]
    import tensorflow as tf

    usable = tf.config.list_physical_devices("GPU")
    rows = [("GPU", _gpu(tf.config.experimental.get_device_details(device))) for device in usable]
    gpus = find_gpus()
    if not usable and gpus.names:
        rows.append(
            ("GPU", f"[yellow]{_gpu_names()}: TensorFlow can't use it; its GPU build is `pip install -e .\\[gpu]`")
        )
    elif not usable:
        rows.append(("GPU", "none found: trials share the cores"))
    rows += [("", f"[yellow]{escape(gpus.note)}")] if gpus.note else []
    rows.append(("workers", f"{len(usable) or 1} by default ({'one per GPU' if usable else 'more with --workers'})"))
    return rows


def _gpu(details: dict[str, Any]) -> str:
    capability = ".".join(map(str, details.get("compute_capability", ("unknown",))))
    return f"{details.get('device_name', 'a GPU')}, compute capability {capability}"


def _gpu_names() -> str:
    try:
        return escape(gpu_names())
    except NoAnswer as error:
        return escape(f"a GPU, of which {error}")


def _packages() -> list[tuple[str, str]]:
    return [*versions().items(), *((name, _version(name)) for name in NEEDED)]


def _version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return "[red]missing"


def _disk() -> list[tuple[str, str]]:
    results = Path("results")
    free = free_bytes(results) / 2**30
    total = shutil.disk_usage(Path.cwd()).total / 2**30
    low = "  [yellow](low: a study keeps a few checkpoints of up to some 200 MB each)" if free < 5 else ""
    return [("disk", f"{free:.0f} GB free of {total:.0f} GB for {results.resolve()}{low}")]
