"""What earlier studies of the same data say about ranks after few epochs, and the `min_epochs` that follows."""

from __future__ import annotations

import logging
import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from scipy import stats

from search.errors import UserError
from search.oracle.schedule import Schedule
from search.report.history import read_history
from search.report.resolution import FEWEST_PAIRS, RANDOM, RungAgreement, judged, rung_agreements
from search.study import Study, StudyConfig
from search.system.wording import listed, plural

log = logging.getLogger(__name__)


class Evidence(NamedTuple):
    """How well rungs that train to one epoch have ranked, over brackets and studies.

    Attributes:
        last_epoch: that these rungs train to.
        pairs: promoted trials that also completed the next rung.
        correlation: the mean of the rungs' rank correlations, each by its number of pairs less one.
        chance: the probability of at least this mean if the rungs ranked at random; NaN of too few pairs.
    """

    last_epoch: int
    pairs: int
    correlation: float
    chance: float

    @property
    def is_random(self) -> bool:
        """Whether chance might have ranked as well."""
        return self.chance > RANDOM


def earlier_studies(config: StudyConfig, fingerprint: str) -> list[Study]:
    """The studies beside this one, itself among them, of the same images at the same size."""
    found = []
    for folder in sorted(path for path in Path(config.study.directory).glob("*") if path.is_dir()):
        study = Study(folder)
        try:
            if study.exists and study.frozen().get("data_fingerprint") == fingerprint:
                data = study.config().data
                if (data.image_size, data.resize) == (config.data.image_size, config.data.resize):
                    found.append(study)
        except UserError as error:
            # A plan does not fail for another study's sake.
            log.debug("%s is not looked at: %s", folder, error)
    return found


def evidence_of(studies: Iterable[Study]) -> list[Evidence]:
    """What the rungs of these studies show, the shortest first."""
    by_epoch: dict[int, list[RungAgreement]] = defaultdict(list)
    for study in studies:
        for agreement in rung_agreements(read_history(study)):
            if math.isfinite(agreement.correlation):
                by_epoch[agreement.last_epoch].append(agreement)
    return [pooled(last_epoch, by_epoch[last_epoch]) for last_epoch in sorted(by_epoch)]


def pooled(last_epoch: int, agreements: Sequence[RungAgreement]) -> Evidence:
    """What rungs that train to one epoch show together."""
    # If ranks are random, Spearman's correlation of n pairs has the mean 0 and the variance 1 / (n - 1).
    weight = sum(agreement.pairs - 1 for agreement in agreements)
    mean = sum((agreement.pairs - 1) * agreement.correlation for agreement in agreements) / weight
    pairs = sum(agreement.pairs for agreement in agreements)
    chance = float(stats.norm.sf(mean * math.sqrt(weight))) if pairs >= FEWEST_PAIRS else math.nan
    return Evidence(last_epoch, pairs, mean, chance)


def min_epochs_advice(schedule: Schedule, evidence: Sequence[Evidence], names: Sequence[str]) -> list[str]:
    """Lines on how well short rungs have ranked so far, and whether another `min_epochs` would leave out the random.

    Args:
        schedule: of the study that is planned.
        evidence: of earlier studies of its data.
        names: of these studies.
    """
    telling = [found for found in evidence if not math.isnan(found.chance)]
    if not telling:
        return []
    lines = [f"earlier studies of these images ({listed(list(names), most=5)}) ranked:"]
    lines += [
        f"  after {plural(found.last_epoch, 'epoch')}: {judged(found.chance)} (rank correlation with the next rung "
        f"{found.correlation:+.2f}, {found.pairs} promoted trials)"
        for found in telling
    ]
    shortest = min((bracket.rungs[0].last_epoch for bracket in schedule.brackets), default=schedule.max_epochs)
    advised = _advised(telling, schedule.max_epochs)
    if advised > shortest:
        lines.append(
            f"the first rungs of this study end after {plural(shortest, 'epoch')}: min_epochs = {advised} would leave "
            "out the rungs that ranked as chance might"
        )
    return lines


def _advised(telling: Sequence[Evidence], max_epochs: int) -> int:
    """The fewest epochs after which ranks have held, and have at every longer rung too."""
    random = max((found.last_epoch for found in telling if found.is_random), default=0)
    if not random:
        return 0
    return min((found.last_epoch for found in telling if found.last_epoch > random), default=max_epochs)
