"""Samplers and promotion rules keep what each of them promises, and the study file chooses among them."""

from __future__ import annotations

from random import Random

import pytest

from search.errors import UserError
from search.oracle.promotion import Promotion
from search.study.choices import SAMPLERS, load_choice
from tests.contracts.promotion import PLACES, PromotionContract, rung_of
from tests.contracts.sampler import SamplerContract


class TestRandomSampler(SamplerContract):
    name = "random"


class TestTpeSampler(SamplerContract):
    name = "tpe"


class TestSynchronousPromotion(PromotionContract):
    name = "synchronous"

    def test_exactly_the_best_continue_in_whatever_order_trials_end(
        self, promotion: Promotion, scores: list[float | None], random: Random
    ) -> None:
        chosen = [trial for rung, _ in rung_of(scores, random) for trial in self.promoted(promotion, rung)]
        best = sorted((-score, number) for number, score in enumerate(scores) if score is not None)[:PLACES]
        assert {trial.place.number for trial in chosen if trial.place} == {number for _, number in best}


def test_an_entry_whose_package_is_missing_says_which(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(SAMPLERS, "tpe", "no_such_package.tpe:TpeSampler")
    with pytest.raises(UserError, match="'tpe' needs the package no_such_package, which is not installed"):
        load_choice(SAMPLERS, "tpe")
