"""A search by `tpe` that starts from an earlier study, by real processes."""

from __future__ import annotations

import json
import shutil
import tomllib
from pathlib import Path

from tests.faults.trials import trials_of
from tests.integration.program import Table, deeplab_search, deeplab_search_here, listing, write_study


def test_a_study_starts_from_the_best_of_another_and_continues_without_it(
    study: Path, tmp_path: Path, tiny: Table
) -> None:
    shutil.copy(study / "best.toml", tmp_path / "best.toml")
    band = {"max_epochs": 1, "baseline": False, "sampler": "tpe", "start": ["best.toml"]}
    file = write_study(tmp_path / "next.toml", tiny, study={"name": "next"}, hyperband=band)
    done = deeplab_search("run", file, cwd=tmp_path)
    assert done.status == 0, done.all
    assert "note: best.toml: its configuration is evaluated first" in done.out
    folder = tmp_path / "results" / "next"
    best = tomllib.loads((study / "best.toml").read_text())["result"]["config_id"]
    assert list(trials_of(folder)["config_id"]) == [best]
    kept = (folder / "start.json").read_text()
    assert json.loads(kept)["configurations"][0]["source"] == "best.toml"

    (tmp_path / "best.toml").unlink()
    more = deeplab_search("run", file, "--set", "hyperband.iterations=2", cwd=tmp_path)
    assert more.status == 0, more.all
    trials = trials_of(folder)
    assert list(trials.index) == ["0000-0", "0001-0"]
    assert trials.loc["0000-0", "config_id"] == best
    assert (folder / "start.json").read_text() == kept


def test_plan_says_what_is_taken_and_whether_tpe_can_learn(study: Path, tmp_path: Path, tiny: Table) -> None:
    band = {"max_epochs": 3, "sampler": "tpe", "start": [str(study)]}
    file = write_study(tmp_path / "next.toml", tiny, study={"name": "next"}, hyperband=band)
    before = listing(tmp_path)
    planned = deeplab_search_here("plan", file, "--no-probe", cwd=tmp_path)
    assert planned.status == 0, planned.all
    said = " ".join(planned.out.split())
    assert f"note: {study}: its best configuration is evaluated first; 6 of its 7 trials lie in this space" in said
    assert "would draw all 5 configurations at random: no draw sees 8 results at equal epochs" in said
    assert "5 random configurations, a picture of the space; sampler 'tpe' will draw others" in said
    assert listing(tmp_path) == before


def test_what_cannot_be_started_from_is_refused_and_changes_nothing(study: Path, tmp_path: Path, tiny: Table) -> None:
    band = {"sampler": "tpe", "start": [str(study / "best.toml")]}
    space = {"aspp_filters": [300, 301]}
    file = write_study(tmp_path / "next.toml", tiny, study={"name": "next"}, hyperband=band, space=space)
    before = listing(tmp_path)
    for command in ("run", "plan"):
        refused = deeplab_search_here(command, file, cwd=tmp_path)
        assert refused.status == 2, refused.all
        assert "is not one of this study: aspp_filters is" in refused.err
        assert "but the space has 300, 301" in refused.err
    slow = write_study(tmp_path / "slow.toml", tiny, hyperband={"sampler": "tpe"}, limits={"max_latency_ms": 5.0})
    refused = deeplab_search_here("run", slow, cwd=tmp_path)
    assert refused.status == 2
    assert "[limits] max_latency_ms: cannot be kept with sampler 'tpe'." in refused.err
    slow.unlink()
    assert listing(tmp_path) == before
