"""The `board` command: TensorBoard on studies."""

from __future__ import annotations

import signal
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path

from search.errors import UserError
from search.study import Study, open_studies
from search.system.quiet import load_tensorflow


def serve(folders: Sequence[Path], *, host: str, port: int) -> None:
    """Serve a TensorBoard that shows these studies, until it is interrupted.

    Raises:
        UserError: a folder holds no study, two have the same name, or the port is taken.
    """
    studies = open_studies(folders)
    load_tensorflow()
    with tempfile.TemporaryDirectory(prefix="deeplab-search-board-") as folder:
        url = _launch(_logs_of(studies, Path(folder)), host, port)
        names = ", ".join(study.name for study in studies)
        print(f"TensorBoard shows {names} at {url}  (Ctrl-C ends it)", flush=True)
        _wait_for_interrupt()


def _logs_of(studies: Sequence[Study], folder: Path) -> Path:
    """The folder of the logs of one study; of several, `folder` with a link to each, whatever its path contains."""
    if len(studies) == 1:
        return studies[0].tensorboard.resolve()
    from search.results.hparams import has_named_rows
    from search.results.hparams_table import write_table_layout

    for study in studies:
        (folder / study.name).symlink_to(study.tensorboard.resolve(), target_is_directory=True)
        if has_named_rows(study.tensorboard):
            print(
                f"note: the HParams rows of {study.name} were written by an earlier version, so TensorBoard may "
                "average them with those of another such study; `run` on its study file writes them anew"
            )
    # TensorBoard reads the columns of its table from the first folder: here, those of all studies.
    configs = [study.config() for study in studies]
    objectives = [config.study.objective for config in configs]
    class_names = [name for study in studies for name in study.frozen()["class_names"]]
    searched = [name for config in configs for name, given in config.space.items() if isinstance(given, (list, dict))]
    write_table_layout(folder, objectives, class_names, searched)
    return folder


def _launch(logs: Path, host: str, port: int) -> str:
    """Start TensorBoard in threads of this process; returns its address."""
    # A configuration's promotions write files of their own into its run; all of them are read.
    options = ["--host", host, "--port", str(port), "--reload_multifile", "true", "--reload_interval", "5"]
    # A promotion replaces its configuration's row of the table, which only this loader sees while it runs.
    options += ["--load_fast", "false", "--detect_file_replacement", "true"]
    from tensorboard import default, program

    server = program.TensorBoard(plugins=default.get_plugins())
    server.configure(argv=["tensorboard", "--logdir", str(logs), *options])
    try:
        return str(server.launch())
    except program.TensorBoardServerException as error:
        raise UserError(f"TensorBoard cannot serve on {host}:{port}: {error.msg}. Choose another --port.") from None


def _wait_for_interrupt() -> None:
    # Handlers of our own: a shell starts background jobs with Ctrl-C ignored, which Python would leave so.
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    ended.wait()
