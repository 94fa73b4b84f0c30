"""The `board` command: TensorBoard on studies."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from search.errors import UserError
from search.study import open_study


def serve(folders: Sequence[Path], *, host: str, port: int) -> None:
    """Become a TensorBoard that shows these studies, until it is interrupted.

    Raises:
        UserError: a folder holds no study, or two have one name.
    """
    logs = {study.folder.resolve().name: study.tensorboard for study in map(open_study, folders)}
    if len(logs) < len(folders):
        raise UserError(f"two of these studies have one name: {', '.join(map(str, folders))}; show them one by one.")
    if len(logs) == 1:
        source = ["--logdir", str(next(iter(logs.values())))]
    else:
        source = ["--logdir_spec", ",".join(f"{name}:{path}" for name, path in logs.items())]
    # A configuration's promotions write files of their own into its run; all of them are read.
    options = ["--host", host, "--port", str(port), "--reload_multifile", "true", "--reload_interval", "5"]
    command = [sys.executable, "-m", "tensorboard.main", *source, *options]
    sys.stdout.flush()
    os.execv(sys.executable, command)
