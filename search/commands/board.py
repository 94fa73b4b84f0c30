"""The `board` command: TensorBoard on studies."""

from __future__ import annotations

import signal
import threading
from collections.abc import Sequence
from pathlib import Path

from search.errors import UserError
from search.study import open_studies
from search.system.quiet import load_tensorflow


def serve(folders: Sequence[Path], *, host: str, port: int) -> None:
    """Serve a TensorBoard that shows these studies, until it is interrupted.

    Raises:
        UserError: a folder holds no study, two have one name, or the port is taken.
    """
    logs = {study.name: study.tensorboard for study in open_studies(folders)}
    if len(logs) == 1:
        source = ["--logdir", str(next(iter(logs.values())))]
    else:
        source = ["--logdir_spec", ",".join(f"{name}:{path}" for name, path in logs.items())]
    # A configuration's promotions write files of their own into its run; all of them are read.
    options = ["--host", host, "--port", str(port), "--reload_multifile", "true", "--reload_interval", "5"]
    # A promotion replaces its configuration's row of the table, which only this loader sees while it runs.
    options += ["--load_fast", "false", "--detect_file_replacement", "true"]
    load_tensorflow()
    from tensorboard import default, program

    server = program.TensorBoard(plugins=default.get_plugins())
    server.configure(argv=["tensorboard", *source, *options])
    try:
        url = server.launch()
    except program.TensorBoardServerException as error:
        raise UserError(f"TensorBoard cannot serve on {host}:{port}: {error.msg}. Choose another --port.") from None
    print(f"TensorBoard shows {', '.join(logs)} at {url}  (Ctrl-C ends it)", flush=True)
    # Handlers of our own: a shell starts background jobs with Ctrl-C ignored, which Python would leave so.
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    ended.wait()
