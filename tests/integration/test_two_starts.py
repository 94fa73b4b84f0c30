"""Several starts of one name: one of them has the study, the others are refused, and nothing is overwritten."""

from __future__ import annotations

import os
import re
import signal
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.integration.program import Result, Running, Table, deeplab_search, running, wait_until, write_study

pytestmark = pytest.mark.timeout(600)


@pytest.fixture
def large_data(tmp_path: Path) -> Path:
    """Images and masks that take seconds to read."""
    data = tmp_path / "large"
    for split, count in (("train", 4), ("val", 2)):
        for kind, shape in (("images", (6000, 6000, 3)), ("masks", (6000, 6000))):
            (data / split / kind).mkdir(parents=True)
            for number in range(count):
                pixels = np.zeros(shape, np.uint8)
                pixels[: 100 * (number + 1)] = 1
                Image.fromarray(pixels).save(data / split / kind / f"{number}.png", compress_level=1)
    return data


def study_on(data: Path, table: Table, **hyperband: Any) -> Path:
    """A study file of the name `tiny` on these data."""
    of_scenes = dict.fromkeys(("train_images", "val_images", "test_images"))
    section = {"format": "folder", "path": str(data), "classes": 1, **of_scenes}
    return write_study(data.with_suffix(".toml"), table, data=section, hyperband=hyperband)


def images_in_hand(search: Running) -> set[Path]:
    """The images that a run has open at this moment."""
    found = set()
    for file in Path(f"/proc/{search.process.pid}/fd").iterdir():
        with suppress(FileNotFoundError):  # closed meanwhile
            found.add(file.readlink())
    return {path for path in found if path.parent.name == "images"}


def is_decoding(search: Running) -> bool:
    """Whether a run reads whole images, which takes time; for the fingerprint it only looks at each."""
    before = images_in_hand(search)
    time.sleep(0.1)
    return bool(before & images_in_hand(search))


def result_of(search: Running) -> Result:
    return Result(search.wait(), search.output, search.output)


def test_what_another_run_started_meanwhile_is_not_overwritten(tmp_path: Path, large_data: Path, tiny: Table) -> None:
    study = tmp_path / "results" / "tiny"
    slow = study_on(large_data, tiny, max_epochs=2)
    fast = write_study(tmp_path / "tiny.toml", tiny)
    with running("run", slow, cwd=tmp_path) as first:
        # It has found no study of this name, and is held up while it reads its data.
        wait_until(lambda: is_decoding(first), every=0.001)
        os.kill(first.process.pid, signal.SIGSTOP)
        assert not study.exists()
        with running("run", fast, cwd=tmp_path) as second:
            second.until(lambda: "trial baseline starts" in second.output)
            second.kill()
        before = (study / "study.toml").read_bytes()
        trial = (study / "trial_baseline" / "trial.json").read_bytes()
        os.kill(first.process.pid, signal.SIGCONT)
        refused = result_of(first)
    assert refused.status == 2, refused.all
    assert "hyperband.max_epochs: the study has 3, the file says 2" in refused.out
    assert (study / "study.toml").read_bytes() == before
    assert (study / "trial_baseline" / "trial.json").read_bytes() == trial
    assert not list(study.parent.glob("tiny.*"))


@pytest.mark.long
@pytest.mark.parametrize("option", [[], ["--fresh"]], ids=["new", "fresh"])
def test_of_two_that_start_together_one_has_the_study(option: list[str], large_data: Path, tiny: Table) -> None:
    folder = large_data.parent
    long, longer = ({"max_epochs": epochs, "min_epochs": epochs} for epochs in (800, 900))  # neither ends in a test
    files = [study_on(large_data, tiny, **longer), write_study(folder / "other.toml", tiny, hyperband=long)]
    if option:
        old = folder / "results" / "tiny"
        with running("run", write_study(folder / "old.toml", tiny), cwd=folder) as search:
            search.until((old / "study.toml").exists)
    with running("run", files[0], *option, cwd=folder) as one, running("run", files[1], *option, cwd=folder) as two:
        wait_until(lambda: any(search.process.poll() is not None for search in (one, two)), lambda: one.output)
        loser, winner = (one, two) if one.process.poll() is not None else (two, one)
        refused = result_of(loser)
        assert refused.status == 2, refused.all
        assert re.search(r"another run drives this study|holds a study made from other settings", refused.out)
        winner.until(lambda: "trial baseline starts" in winner.output)
    # Where there was an old study, one of the two moved it aside.
    assert len(list(folder.glob("results/tiny.*"))) == len(option)
    shown = deeplab_search("status", "results/tiny", cwd=folder)
    assert shown.status == 0, shown.all
