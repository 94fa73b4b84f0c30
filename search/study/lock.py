"""Who drives a study: one process at a time, which holds a lock and describes itself in `driver.json`.

The lock says who lives, wherever it can be asked: on the machine of the driver, and on others where the file system
shares its locks. Elsewhere `driver.json` does, in which the driver gives a sign every few seconds.
"""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from search.errors import UserError
from search.study.folder import OPTION, Study
from search.system.files import cannot_be_written, read_json, write_json, writing_to
from search.system.locks import LockHeldError, NoLocksError, holding, is_held
from search.system.machine import now
from search.system.wording import duration

# A driver gives a sign this often, in seconds.
BEAT = 15.0
# A driver elsewhere, whose lock cannot be seen, is running while its last sign is no older than this, in seconds.
SILENCE = 120.0
# Before a study is taken over from a driver elsewhere, it has this time to give another sign, in seconds: as long as a
# network file system may show what a file held before. Clocks differ, so the age that is stated does not decide; but no
# clocks differ by more than the second number.
WAIT, LONG_SILENCE = 90.0, 900.0

_KINDS = {
    "process": int,
    "host": str,
    "started": str,
    "last_sign": str,
    "workers": int,
    "configurations": int,
    "retired": dict,
}
# Two threads of the driver change `driver.json`.
_writing = threading.Lock()


@contextlib.contextmanager
def lock_study(
    study: Study, *, anew: bool = False, say: Callable[[str], None] = lambda _: None
) -> Iterator[Path | None]:
    """Be the study's only driver while the block runs; the folder is created where it is missing.

    It is the operating system's lock, so a dead process does not hold it.

    Args:
        study: its folder.
        anew: move an old study aside, under its lock, and take that of a new folder in its place. Another run may come
            between the two, so whether there is a study has to be asked in the block.
        say: is told why this takes long, where it does.

    Yields:
        Where the old study is kept; None if none was moved.

    Raises:
        UserError: another process drives the study, or the folder cannot be locked.
    """
    with _holding(study):
        _check_elsewhere(study, say)
        aside = study.move_aside() if anew else None
        of_new_folder = contextlib.nullcontext() if aside is None else _holding(study)
        with of_new_folder, _signing(study):
            yield aside


def is_driven(study: Study) -> bool:
    """Whether a driver runs the study at this moment; only looks, and keeps the lock from nobody.

    Where the lock of another machine's driver cannot be seen, its last sign counts.
    """
    held, driver = is_held(study.lock_file), _read_driver(study)
    if held or (held is False and not _is_elsewhere(driver)):
        return bool(held)
    silence = _silence(driver)
    return silence is not None and abs(silence) < SILENCE


def lost_driver(study: Study) -> str:
    """What is known of a driver that ended without signing off; empty if there is none."""
    driver = _read_driver(study)
    silence = _silence(driver)
    return (
        "" if silence is None else f"its driver ({_named(driver)}) gave its last sign {duration(max(silence, 0))} ago"
    )


def note_plan(study: Study, *, workers: int, configurations: int) -> None:
    """Tell `status` how many trials run at a time, and how many configurations the space supplies."""
    _renew(study, workers=workers, configurations=configurations)


def noted_plan(study: Study) -> tuple[int, int | None]:
    """The workers and configurations that the present driver has noted; one worker and None if there is no driver."""
    driver = _read_driver(study)
    return driver.get("workers", 1), driver.get("configurations")


def note_retired(study: Study, retired: Mapping[str, str]) -> None:
    """Tell `status` which workers get no more trials, and why."""
    _renew(study, retired=dict(retired))


def noted_retired(study: Study) -> dict[str, str]:
    """The workers that the present driver has retired, each with the reason."""
    return {worker: str(reason) for worker, reason in _read_driver(study).get("retired", {}).items()}


@contextlib.contextmanager
def _holding(study: Study) -> Iterator[None]:
    with contextlib.ExitStack() as held:
        try:
            held.enter_context(holding(study.lock_file))
        except LockHeldError:
            raise _is_driven_already(study, _read_driver(study)) from None
        except NoLocksError as error:
            raise UserError(
                f"{study.folder}: this file system cannot lock files ({error}), so nothing would keep two runs of one "
                "study apart. Keep studies on one that can, such as a local disk: --directory DIR."
            ) from None
        except OSError as error:
            raise cannot_be_written(study.folder, str(error.strerror), OPTION) from None
        yield


def _check_elsewhere(study: Study, say: Callable[[str], None]) -> None:
    """Refuse to take over from a driver on another machine that still gives signs: its lock may not be seen here."""
    driver = _read_driver(study)
    silence = _silence(driver)
    if not _is_elsewhere(driver) or "last_sign" not in driver or silence is None or silence > LONG_SILENCE:
        return
    say(f"{lost_driver(study)}: waiting {WAIT:.0f} s for another one")
    deadline = time.monotonic() + WAIT
    while time.monotonic() < deadline:
        time.sleep(min(1.0, WAIT / 10))
        present = _read_driver(study)
        if present and present != driver:
            raise _is_driven_already(study, present)


def _is_driven_already(study: Study, driver: dict[str, Any]) -> UserError:
    return UserError(
        f"{study.folder}: another run drives this study ({_named(driver)}, since {driver.get('started', '?')}). "
        f"Follow it with: deeplab-search status {study.folder}"
    )


@contextlib.contextmanager
def _signing(study: Study) -> Iterator[None]:
    """Describe this process in `driver.json`, and give signs, while the block runs."""
    present = {"process": os.getpid(), "host": socket.gethostname(), "started": now(), "last_sign": now()}
    with writing_to(study.folder, OPTION):
        write_json(study.driver_file, present)
    over = threading.Event()
    signs = threading.Thread(target=_give_signs, args=(study, over), name="signs of life", daemon=True)
    signs.start()
    try:
        yield
    finally:
        over.set()
        signs.join(BEAT)
        study.driver_file.unlink(missing_ok=True)


def _give_signs(study: Study, over: threading.Event) -> None:
    while not over.wait(BEAT):
        # A full disk is for the driver itself to report.
        with contextlib.suppress(OSError):
            _renew(study, last_sign=now())


def _renew(study: Study, **changes: Any) -> None:
    with _writing:
        write_json(study.driver_file, {**_read_driver(study), **changes}, durable=False)


def _read_driver(study: Study) -> dict[str, Any]:
    """What `driver.json` says; empty if it is missing or damaged."""
    found = read_json(study.driver_file)
    if not isinstance(found, dict):
        return {}
    return {name: value for name, value in found.items() if isinstance(value, _KINDS.get(name, object))}


def _is_elsewhere(driver: dict[str, Any]) -> bool:
    return bool(driver.get("host", socket.gethostname()) != socket.gethostname())


def _silence(driver: dict[str, Any]) -> float | None:
    """Seconds since a driver's last sign, by this machine's clock; None if it gave none."""
    try:
        # Version 0.1 gives one sign, when it starts.
        last = datetime.fromisoformat(driver.get("last_sign") or driver.get("started") or "")
        return (datetime.now().astimezone() - last).total_seconds()
    except (ValueError, TypeError):
        return None


def _named(driver: dict[str, Any]) -> str:
    return f"process {driver.get('process', '?')} on {driver.get('host', '?')}"
