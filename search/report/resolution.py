"""What a search could tell apart: its scores' noise against their spread, and which rungs ranked better than chance."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import stats

from search.report.choice import noise_of_finalists
from search.report.history import History
from search.report.parts import Section, Table
from search.study.ids import BASELINE, CONTROLS
from search.system.wording import plural, rounded

# Fewest pairs of which a rank correlation says anything.
FEWEST_PAIRS = 4
# Ranks that chance alone brings about more often than this may be random.
RANDOM = 0.1


class RungAgreement(NamedTuple):
    """How the ranks of promoted trials at one rung agree with their ranks at the next.

    Attributes:
        bracket: its number.
        rung: the lower one.
        last_epoch: that it trains to.
        pairs: trials that completed both.
        correlation: Spearman's, over the pairs; NaN of fewer than two, or where all are equal.
        chance: the probability of such agreement if the rung ranked at random; NaN as above.
    """

    bracket: int
    rung: int
    last_epoch: int
    pairs: int
    correlation: float
    chance: float


def rung_agreements(history: History) -> list[RungAgreement]:
    """Each rung that has promoted, over all iterations of its bracket."""
    return list(_agreements(history.completed)) if len(history.completed) else []


def _agreements(completed: pd.DataFrame) -> Iterator[RungAgreement]:
    promoted = completed[completed["parent_id"].notna()].merge(
        completed, left_on="parent_id", right_on="trial_id", suffixes=("", "_below")
    )
    for _, pairs in promoted.groupby(["bracket", "rung_below"]):
        bracket, rung, last_epoch = (int(pairs[name].iloc[0]) for name in ("bracket", "rung_below", "last_epoch_below"))
        scores = [pairs[name].to_numpy(np.float64) for name in ("score_below", "score")]
        correlation = chance = float("nan")
        if len(pairs) > 1 and all(len(set(column)) > 1 for column in scores):
            correlation = float(stats.spearmanr(*scores).statistic)
            if len(pairs) >= FEWEST_PAIRS:
                chance = float(stats.spearmanr(*scores, alternative="greater").pvalue)
        yield RungAgreement(bracket, rung, last_epoch, len(pairs), correlation, chance)


def resolution_section(history: History) -> Section | None:
    """The section of the report; None before there is anything to say."""
    notes, agreements = _noise_notes(history), rung_agreements(history)
    tables = [_agreement_table(agreements)] if agreements else []
    if not notes and not tables:
        return None
    if agreements:
        notes.append(
            "A rung ranks well if the trials that it promoted keep their order at the next. Ranks of few trials agree "
            "by chance: a rung whose agreement chance alone gives more often than once in ten has ranked at random, as "
            "far as this search can tell; a larger min_epochs leaves such rungs out."
        )
    return Section("resolution", "What this search could tell apart", notes=notes, tables=tables)


def _noise_notes(history: History) -> list[str]:
    noise = noise_of_finalists(history)
    found = history.configurations
    finalists = found[found["last_epoch"] == found["last_epoch"].max()] if len(found) else found
    if noise is None or len(finalists) < 2:
        return []
    spread = float(finalists["score"].std())
    ratio = f"{spread / noise:.1f} times that" if spread >= noise else "less than that: their order is mostly chance"
    note = (
        f"The score of a finalist moves by {rounded(noise)} by chance (standard deviation around its course, from its "
        f"last epochs); the {plural(len(finalists), 'finalist')} differ by {rounded(spread)}, {ratio}."
    )
    return [note]


def _agreement_table(agreements: list[RungAgreement]) -> Table:
    rows = [
        [
            str(agreement.bracket),
            f"{agreement.rung} (to epoch {agreement.last_epoch})",
            str(agreement.pairs),
            "" if agreement.correlation != agreement.correlation else f"{agreement.correlation:+.2f}",
            judged(agreement.chance),
        ]
        for agreement in agreements
    ]
    columns = ["bracket", "rung", "promoted trials", "rank correlation with the next rung", "ranked"]
    return Table("How well rungs ranked", columns, rows)


def judged(chance: float) -> str:
    """How well trials were ranked, in words, given the probability that ranks at random agree as well."""
    if chance != chance:
        return "too few to tell"
    return "better than chance" if chance <= RANDOM else "as chance might"


def confirmation_section(history: History) -> Section | None:
    """What was trained again from other seeds; None where nothing was."""
    confirmed = history.snapshot.confirmed
    controls = [f"{kind}-{confirmed.of}" for kind in CONTROLS] if confirmed is not None else []
    names = sorted(history.confirmed_names | {name for name in controls if len(history.confirmations_of(name))})
    found = {name: history.confirmations_of(name)["score"].to_numpy(np.float64) for name in names}
    if not found:
        return None
    rows = []
    for name, scores in sorted(found.items(), key=lambda item: -history.objective.sign * item[1].mean()):
        deviation = rounded(float(scores.std(ddof=1))) if len(scores) > 1 else ""
        rows.append([name, ", ".join(map(rounded, scores)), rounded(float(scores.mean())), deviation])
    columns = ["configuration", f"{history.objective.name}, by seed", "mean", "standard deviation"]
    note = (
        "Each was trained from its first epoch to its last from other seeds, the same for all. The mean names the "
        f"winner. {BASELINE}: the tutorial's choices; recipe-...: the tutorial's network with the winner's recipe; "
        "network-...: the winner's network with the default recipe."
    )
    return Section("confirmation", "Trained again", notes=[note], tables=[Table("The confirmations", columns, rows)])
