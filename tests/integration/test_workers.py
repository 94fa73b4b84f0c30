"""What a study finds depends on its seed alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.trials import assert_same_results
from tests.integration.program import Table, deeplab_search, write_study


# `test_interruption.py` compares a search of one, two and four workers in turn with one of two, and always runs.
@pytest.mark.long
@pytest.mark.timeout(1200)
def test_one_worker_and_four_find_the_same(tmp_path: Path, tiny: Table) -> None:
    for workers in ("1", "4"):
        (tmp_path / workers).mkdir()
        file = write_study(tmp_path / workers / "tiny.toml", tiny)
        done = deeplab_search("run", file, "--workers", workers, cwd=tmp_path / workers)
        assert done.status == 0, done.all
    one, four = (tmp_path / workers / "results" / "tiny" for workers in ("1", "4"))
    assert_same_results(four, one)
