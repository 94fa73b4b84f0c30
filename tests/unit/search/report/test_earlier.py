"""What earlier studies of the same images say about `min_epochs`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from benchmarks._history import History
from search.oracle.schedule import make_schedule
from search.report.earlier import Evidence, earlier_studies, evidence_of, min_epochs_advice, pooled
from search.report.resolution import RungAgreement
from search.study.config import HyperbandSection
from search.study.folder import Study


@pytest.fixture(scope="module")
def studies(tmp_path_factory: pytest.TempPathFactory) -> list[Study]:
    folder = tmp_path_factory.mktemp("earlier")
    return [History(folder / name, iterations=2).write(pictures=False) for name in ("one", "other")]


def test_it_finds_studies_of_the_same_images_at_the_same_size(studies: list[Study], tmp_path: Path) -> None:
    folder = studies[0].folder.parent
    more_images = History(folder / "larger", train_images=97).write(4, pictures=False)
    other_framing = History(folder / "padded", resize="pad").write(4, pictures=False)
    assert other_framing.frozen()["data_fingerprint"] == studies[0].frozen()["data_fingerprint"]
    (folder / "damaged").mkdir()
    (folder / "damaged" / "study.toml").write_text("not [ toml")
    config, fingerprint = studies[0].config(), studies[0].frozen()["data_fingerprint"]
    found = [study.name for study in earlier_studies(config, fingerprint)]
    assert found == ["one", "other"]
    assert more_images.exists
    elsewhere = config.model_copy(update={"study": config.study.model_copy(update={"directory": str(tmp_path)})})
    assert earlier_studies(elsewhere, fingerprint) == []


def test_evidence_pools_the_rungs_of_all_brackets_and_studies(studies: list[Study]) -> None:
    found = evidence_of(studies)
    assert [evidence.last_epoch for evidence in found] == [1, 3, 9]
    for evidence in found:
        pairs, total, weights = 0, 0.0, 0
        for study in studies:
            trials = pd.read_csv(study.trials_csv)
            done = trials[trials["status"] == "completed"].set_index("trial_id")
            above = done[done["parent_id"].notna()]
            above = above[done.loc[above["parent_id"], "last_epoch"].to_numpy() == evidence.last_epoch]
            for _, group in above.groupby("bracket"):
                if len(group) < 2:
                    continue
                below = done.loc[group["parent_id"], "score"].to_numpy()
                correlation = stats.spearmanr(below, group["score"]).statistic
                pairs, weights = pairs + len(group), weights + len(group) - 1
                total += (len(group) - 1) * correlation
        assert evidence.pairs == pairs
        assert evidence.correlation == pytest.approx(total / weights)


def test_ranks_at_random_are_called_random_nine_times_in_ten() -> None:
    rng = np.random.default_rng(0)

    def at_random(pairs: int) -> RungAgreement:
        return RungAgreement(2, 0, 3, pairs, stats.spearmanr(*rng.normal(size=(2, pairs))).statistic, float("nan"))

    called = [pooled(3, [at_random(4), at_random(9), at_random(6)]).is_random for _ in range(400)]
    assert 0.85 <= np.mean(called) <= 0.95


SCHEDULE = make_schedule(HyperbandSection(max_epochs=27))
RANDOM_1, HELD_3, RANDOM_3, HELD_9 = (
    Evidence(1, 12, 0.05, 0.4),
    Evidence(3, 9, 0.8, 0.01),
    Evidence(3, 9, 0.1, 0.4),
    Evidence(9, 5, 0.9, 0.02),
)


@pytest.mark.parametrize(
    ("evidence", "advised"),
    [
        ([RANDOM_1, HELD_3, HELD_9], 3),
        ([RANDOM_1, RANDOM_3, HELD_9], 9),
        # A rung that ranked by chance is not mended by shorter ones that did better by chance.
        ([Evidence(1, 9, 0.8, 0.01), RANDOM_3, HELD_9], 9),
        ([RANDOM_1, RANDOM_3], 27),
        ([HELD_3, HELD_9], None),
        ([Evidence(1, 3, 0.1, float("nan"))], None),
    ],
)
def test_the_advice_leaves_out_what_ranked_at_random(evidence: list[Evidence], advised: int | None) -> None:
    lines = min_epochs_advice(SCHEDULE, evidence, ["faces"])
    assert (f"min_epochs = {advised} would" in " ".join(lines)) == (advised is not None)
    assert len([line for line in lines if line.startswith("  after")]) == len(
        [each for each in evidence if each.chance == each.chance]
    )


def test_a_study_that_has_followed_the_advice_is_not_advised_again() -> None:
    schedule = make_schedule(HyperbandSection(max_epochs=27, min_epochs=3))
    lines = min_epochs_advice(schedule, [RANDOM_1, HELD_3], ["faces"])
    assert lines
    assert "min_epochs" not in " ".join(lines)
