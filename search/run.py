"""The `run` command: validate, lock, search, say what came out."""

from __future__ import annotations

import errno
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from datasets import DataError
from search.config import StudyConfig
from search.console import SearchConsole, best_line, rung_table, trial_table
from search.data_cache import decode_images, drop_images
from search.data_check import check_new_data
from search.errors import Interrupted, SearchStopped, UserError
from search.executors import Executor
from search.prepare import Prepared, prepare
from search.snapshot import Snapshot
from search.study import BASELINE, Study


def run_study(path: Path, overrides: Sequence[str], directory: str | None, *, fresh: bool) -> None:
    """Start or continue the study of a study file.

    Raises:
        UserError: the input is wrong; nothing was changed.
        SearchStopped: the search could not finish; the same command continues it.
        Interrupted: the user stopped it; the same command continues it.
    """
    console = SearchConsole()
    prepared = prepare(path, overrides, directory)
    config = prepared.config
    try:
        fingerprint = prepared.dataset.fingerprint()
    except DataError as error:
        raise UserError(f"[data] {error}") from None
    study = Study(config.folder)
    study.check_writable()
    is_new = fresh or not study.exists
    if not (fresh and study.exists):
        study.check_startable(config, fingerprint)
    notes = list(prepared.space.notes)
    if is_new:
        notes += check_new_data(prepared.dataset, console.console)
    if fresh and study.exists:
        with study.lock():
            pass
        console.say(f"the old study is kept in {study.move_aside()}")
    study.make_folder()
    with study.lock():
        if is_new:
            study.create(config, prepared.dataset)
        study.grow(config)
        for note in notes:
            console.say(f"note: {note}", "yellow")
        snapshot = _search(study, prepared, console)
    _conclude(console, study, snapshot)


def _search(study: Study, prepared: Prepared, console: SearchConsole) -> Snapshot:
    from search.driver import Driver

    executor = make_executor(prepared.config)
    try:
        if not study.finished_file.exists():
            decode_images(study, prepared.config, prepared.dataset, console)
        with console:
            driver = Driver(study, prepared.config, prepared.space, prepared.dataset, executor, console)
            snapshot = driver.run()
        drop_images(study)
        return snapshot
    except Interrupted:
        raise Interrupted(
            f"interrupted; everything is kept in {study.folder}. Continue with:\n  {_command()}"
        ) from None
    except SearchStopped as error:
        raise SearchStopped(f"{error}\nEverything is kept in {study.folder}; continue with:\n  {_command()}") from None
    except BrokenPipeError:
        raise SearchStopped(
            f"nobody reads its output any more.\nEverything is kept in {study.folder}; continue with:\n  {_command()}"
        ) from None
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise SearchStopped(f"no space left for {study.folder}. Make room; continue with:\n  {_command()}") from None
    finally:
        executor.shutdown()


def make_executor(config: StudyConfig) -> Executor:
    """The executor that `[workers]` asks for."""
    from search.executors.local import LocalExecutor

    return LocalExecutor(config.workers.count)


def _conclude(console: SearchConsole, study: Study, snapshot: Snapshot) -> None:
    """The end of a search: the ranking, the best against the baseline, and what to do next."""
    out = console.console
    out.print()
    out.print(rung_table(snapshot))
    out.print()
    out.print(trial_table(snapshot, limit=10))
    out.print()
    out.print(best_line(snapshot), style="bold green", soft_wrap=True)
    best = snapshot.best
    if best is None:
        raise SearchStopped(f"no trial completed; the reasons are in {study.trials_csv}")
    chosen = [
        f"{name[3:]} = {value}" for name, value in best.items() if name.startswith("hp:") and value not in ("", None)
    ]
    if best["trial_id"] != BASELINE and chosen:
        out.print("  " + ", ".join(chosen), soft_wrap=True)
    out.print()
    folder = shlex.quote(str(study.folder))
    for what, command in (
        ("the configuration", str(study.best_file)),
        ("all trials", str(study.trials_csv)),
        ("compare them", f"deeplab-search board {folder}"),
        ("export the model", f"deeplab-search export {folder}"),
        ("segment images", f"deeplab-search predict {folder} IMAGE... --to masks"),
    ):
        out.print(f"  {what:<18} {command}", soft_wrap=True)


def _command() -> str:
    """The command that was given, as it can be given again (`--fresh` would start anew)."""
    arguments = [argument for argument in sys.argv[1:] if argument != "--fresh"]
    return shlex.join(["deeplab-search", *arguments])
