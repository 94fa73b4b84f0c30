"""The `run` command: validate, lock, search, say what came out."""

from __future__ import annotations

import logging
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from datasets import DataError
from search.commands.data_check import check_new_data
from search.driver.decoding import decode_images, drop_images
from search.driver.ending import command_note, end_search, final_verdict
from search.errors import Interrupted, SearchStopped, UserError
from search.executors import Executor, make_executor
from search.results import Snapshot
from search.study import Study, lock_study
from search.study.prepare import Prepared, prepare
from search.study.versions import packages_note
from search.system.disk import is_disk_full
from search.system.logs import log_to
from search.system.machine import versions
from search.terminal import SearchConsole, splitting_progress
from search.terminal.conclusion import show_conclusion

if TYPE_CHECKING:
    from search.oracle.limits import Limits
    from search.oracle.start import Start

log = logging.getLogger(__name__)


def run_study(
    path: Path, overrides: Sequence[str], directory: str | None, *, fresh: bool, verbose: bool = False
) -> None:
    """Start or continue the study of a study file.

    Args:
        path: the study file.
        overrides: of `--set`.
        directory: of `--directory`.
        fresh: move an old study of this name aside and start anew.
        verbose: also show what the driver decides, and why; the study's `driver.log` has it in any case.

    Raises:
        UserError: the input is wrong; nothing was changed.
        SearchStopped: the search could not finish; the same command continues it.
        Interrupted: the user stopped it; the same command continues it.
    """
    console = SearchConsole()
    prepared = prepare(path, overrides, directory, bar=splitting_progress(console.console))
    run_prepared(prepared, console, fresh=fresh, verbose=verbose)


def run_prepared(prepared: Prepared, console: SearchConsole, *, fresh: bool, verbose: bool = False) -> None:
    """Start or continue a study whose configuration has been checked; see `run_study`."""
    # KerasTuner is loaded by now, quietly; before the file was read, it would have kept the user waiting.
    from search.oracle.factory import make_limits
    from search.oracle.latency import LatencyMeter
    from search.oracle.starting import read_start

    config = prepared.config
    study, fingerprint = Study(config.folder), _fingerprint(prepared)
    study.check_writable()
    is_new = fresh or not study.exists
    if not (fresh and study.exists):
        study.check_startable(config, fingerprint)
    meter = LatencyMeter(config.data.image_size, prepared.dataset.classes, config.data.channels)
    limits = make_limits(prepared, meter)
    notes, start = [*prepared.space.notes, *command_note(config)], None
    executor = make_executor(config)
    notes += executor.notes
    if is_new:
        with console.console.status("looking for networks that fit the limits"):
            limits.check()
        start, said = read_start(prepared, limits)
        notes += [*said, *check_new_data(prepared.dataset, config.study.objective, console.console)]
    try:
        with lock_study(study, anew=fresh, say=console.say) as aside:
            if aside is not None:
                console.say(f"the old study is kept in {aside}")
            # Decided again: while the data were read, another run may have started a study of this name.
            study.check_startable(config, fingerprint)
            notes += _open_study(study, prepared, limits, start)
            meter.keep_in(study.latency_file, console.say)
            with log_to(study.log_file, console.detail if verbose else None):
                for note in notes:
                    console.say(f"note: {note}", "yellow")
                snapshot = _search_logged(study, prepared, limits, executor, console)
    except SearchStopped:
        end_search(study, config, console, "stopped")
        raise
    end_search(study, config, console, "failed" if snapshot.best is None else "finished")
    show_conclusion(console.console, study, snapshot, final_verdict(study))
    if snapshot.best is None:
        raise SearchStopped(f"no trial completed; the reasons are in {study.trials_csv}")


def _fingerprint(prepared: Prepared) -> str:
    try:
        return prepared.dataset.fingerprint()
    except DataError as error:
        raise UserError(f"[data] {error}") from None


def _open_study(study: Study, prepared: Prepared, limits: Limits, start: Start | None) -> list[str]:
    """Create the study, or repair what a kill has left of it and adopt it from another version; returns notes.

    `start` is None where the study existed before it was locked.
    """
    from search.driver.mending import mend
    from search.oracle.factory import check_trials, make_oracle
    from search.oracle.start import write_start
    from search.oracle.starting import read_start

    if not study.exists:
        if prepared.config.hyperband.start:
            write_start(study, start or read_start(prepared, limits)[0])
        study.create(prepared.config, prepared.dataset)
        return mend(study)
    check_trials(study, make_oracle(prepared.config, prepared.space, limits))
    notes = [*study.adopt(), *packages_note(study.frozen()), *mend(study)]
    study.grow(prepared.config)
    return notes


def _search_logged(
    study: Study, prepared: Prepared, limits: Limits, executor: Executor, console: SearchConsole
) -> Snapshot:
    """Search, with how it began and how it ended in the log."""
    log.info("run: %s", _command())
    log.debug("versions: %s; devices: %s", versions(), ", ".join(device.worker for device in executor.devices))
    try:
        return _search(study, prepared, limits, executor, console)
    except (Interrupted, SearchStopped) as error:
        log.info("ended: %s", error)
        raise
    except BaseException:
        log.exception("ended by an error")
        raise


def _search(study: Study, prepared: Prepared, limits: Limits, executor: Executor, console: SearchConsole) -> Snapshot:
    from search.driver.loop import Driver

    try:
        if not study.finished_file.exists():
            decode_images(study, prepared.config, prepared.dataset, console)
        with console:
            driver = Driver(study, prepared.config, prepared.space, prepared.dataset, limits, executor, console)
            snapshot = driver.run()
        drop_images(study)
        return snapshot
    except (Interrupted, KeyboardInterrupt):  # the latter while images are decoded and configurations drawn
        raise Interrupted(
            f"interrupted; everything is kept in {study.folder}. Continue with:\n  {_command()}"
        ) from None
    except SearchStopped as error:
        raise SearchStopped(f"{error}\nEverything is kept in {study.folder}; continue with:\n  {_command()}") from None
    except OSError as error:
        if not is_disk_full(error):
            raise
        raise SearchStopped(f"no space left for {study.folder}. Make room; continue with:\n  {_command()}") from None
    finally:
        executor.shutdown()


def _command() -> str:
    """The given command, in a form that can be repeated: with `--fresh` it would start anew."""
    arguments = [argument for argument in sys.argv[1:] if argument != "--fresh"]
    return shlex.join(["deeplab-search", *arguments])
