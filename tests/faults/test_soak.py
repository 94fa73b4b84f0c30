"""A search that is killed again and again, at random moments, gives what it gives undisturbed.

`make soak` kills 30 times; here a few times, unless SOAK_KILLS says otherwise.
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
from tests.integration.program import Running, Table, deeplab_search, running, write_study

KILLS = int(os.environ.get("SOAK_KILLS", "3"))
SEED = int(os.environ.get("SOAK_SEED", "0"))
# Longest time between two kills, in seconds.
PAUSE = float(os.environ.get("SOAK_PAUSE", "12"))

pytestmark = pytest.mark.timeout(900 + 120 * KILLS)


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


def test_a_search_killed_at_random_moments_ends_the_same(study: Path, tmp_path: Path, tiny: Table) -> None:
    # A configuration is not at fault here, however often it is killed.
    file = write_study(tmp_path / "tiny.toml", tiny, limits={"retries": 1000})
    command = ("run", file, "--workers", "2")
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
    last = deeplab_search(*command, cwd=tmp_path)
    assert last.status == 0, last.all
    assert "Traceback" not in last.all
    assert left == 0, f"the search ended {left} kills too early: lower SOAK_PAUSE"
    print(trials_of(found)[["status", "attempts", "score"]])
    assert_same_results(found, study)
    assert not [path for path in found.rglob("*") if "partial" in path.name or path.name.endswith(".tmp")]
