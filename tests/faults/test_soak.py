"""A search that is killed again and again, at random moments, gives what it gives undisturbed.

`make soak` kills 30 times, or as often as SOAK_KILLS says. `make test` leaves it out: it kills the driver, a trial and
everything at chosen moments, in `test_stock_faults.py` and `tests/integration/test_interruption.py`.
"""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress
from pathlib import Path
from random import Random

import pytest

from tests.faults.trials import assert_same_results, trial_processes, trials_of
from tests.integration.program import Running, Table, running, wait_until, write_study

KILLS = int(os.environ.get("SOAK_KILLS", "2"))
SEED = int(os.environ.get("SOAK_SEED", "0"))
# Longest time between two kills, in seconds.
PAUSE = float(os.environ.get("SOAK_PAUSE", "12"))

pytestmark = [pytest.mark.long, pytest.mark.timeout(1200 + 300 * KILLS)]


@pytest.fixture(scope="module")
def soaked(tiny: Table) -> Table:
    """The small study file; with more epochs where many kills need the time."""
    hyperband = {**tiny["hyperband"], **({"max_epochs": 9} if KILLS > 10 else {})}
    # A configuration is not at fault here, however often it is killed.
    return {**tiny, "hyperband": hyperband, "limits": {"retries": 1000}}


@pytest.fixture(scope="module")
def undisturbed(soaked: Table, tiny: Table, tmp_path_factory: pytest.TempPathFactory, study: Path) -> Path:
    """The same search, left alone."""
    if soaked["hyperband"] == tiny["hyperband"]:
        return study
    folder = tmp_path_factory.mktemp("undisturbed")
    with running("run", write_study(folder / "tiny.toml", soaked), "--workers", "2", cwd=folder) as search:
        wait_until(lambda: search.process.poll() is not None, every=1.0, patience=3600.0)
        assert search.process.returncode == 0, search.output
    return folder / "results" / "tiny"


def kill(search: Running, whom: str, chance: Random) -> None:
    """Kill the driver, one trial, or everything, with a signal that nobody can answer."""
    if whom == "worker":
        for process in chance.sample(sorted(trial_processes(search)), k=min(1, len(trial_processes(search)))):
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
    elif whom == "driver":
        os.kill(search.process.pid, signal.SIGKILL)
    else:
        search.kill()


def test_a_search_killed_at_random_moments_ends_the_same(undisturbed: Path, tmp_path: Path, soaked: Table) -> None:
    command = ("run", write_study(tmp_path / "tiny.toml", soaked), "--workers", "2")
    found = tmp_path / "results" / "tiny"
    chance, left = Random(SEED), KILLS
    kinds = [("driver", "worker", "all")[number % 3] for number in range(KILLS)]
    chance.shuffle(kinds)
    while left:
        with running(*command, cwd=tmp_path) as search:
            # From the first moments, in which nothing is there yet, to those in which trials end.
            while left and search.process.poll() is None:
                time.sleep(chance.uniform(0, PAUSE))
                if search.process.poll() is None:
                    whom = kinds[left - 1]
                    kill(search, whom, chance)
                    left -= 1
                    print(f"{KILLS - left}: {whom}", flush=True)
                    if whom != "worker":
                        break
            if search.process.poll() is not None and search.process.returncode >= 0:
                assert search.process.returncode == 0, search.output
                break
    with running(*command, cwd=tmp_path) as search:
        wait_until(lambda: search.process.poll() is not None, every=1.0, patience=3600.0)
        assert search.process.returncode == 0, search.output
        assert "Traceback" not in search.output
    assert left == 0, f"the search ended {left} kills too early: lower SOAK_PAUSE"
    print(trials_of(found)[["status", "attempts", "score"]])
    assert_same_results(found, undisturbed)
    assert not [path for path in found.rglob("*") if "partial" in path.name or path.name.endswith(".tmp")]
