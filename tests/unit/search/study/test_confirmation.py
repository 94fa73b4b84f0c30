"""Who is named the winner by confirmations that have ended."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import permutations

from search.study.confirmation import Confirmations
from search.study.ids import BASELINE
from search.study.objective import objective_of

FINALISTS = {"0007", BASELINE}


def ended(scores: Mapping[str, float | None], objective: str = "val_mean_iou", seeds: int = 2) -> Confirmations:
    found = Confirmations(objective_of(objective), seeds)
    for trial_id, score in scores.items():
        found.add(trial_id, score)
    return found


def test_a_configuration_whose_confirmation_failed_does_not_make_the_baseline_the_winner() -> None:
    scores = {"confirm-0007-1": 0.8, "confirm-0007-2": None, "confirm-baseline-1": 0.6, "confirm-baseline-2": 0.6}
    assert ended(scores).winner(FINALISTS) is None
    whole = ended(scores | {"confirm-0007-2": 0.5}).winner(FINALISTS)
    assert whole is not None
    assert (whole.of, whole.trial_id, whole.mean, whole.seeds) == ("0007", "confirm-0007-1", 0.65, 2)


def test_nobody_has_won_before_all_seeds_have_ended() -> None:
    scores = {"confirm-0007-1": 0.8, "confirm-0007-2": 0.7, "confirm-baseline-1": 0.6}
    assert ended(scores).winner(FINALISTS) is None


def test_the_baseline_may_win_and_controls_may_not() -> None:
    scores = {"confirm-0007-1": 0.5, "confirm-baseline-1": 0.6, "confirm-recipe-0007-1": 0.9}
    found = ended(scores, seeds=1).winner(FINALISTS)
    assert found is not None
    assert found.of == BASELINE
    least = ended(scores, "val_loss", seeds=1).winner(FINALISTS)
    assert least is not None
    assert least.of == "0007"


def test_equals_are_told_apart_whatever_the_order_in_which_they_ended() -> None:
    scores = {f"confirm-{name}-{seed}": 0.5 for name in ("0001", "0002") for seed in (1, 2)}
    winners = {
        ended({trial_id: scores[trial_id] for trial_id in order}).winner({"0001", "0002"})
        for order in permutations(scores)
    }
    assert len(winners) == 1
