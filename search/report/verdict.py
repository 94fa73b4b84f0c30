"""The verdict: whether what the search has found is better, how sure that is, and what it costs."""

from __future__ import annotations

import pandas as pd

from search.report.choice import expected_luck, smallest_within_noise
from search.report.compared import Comparison, comparison_of, on_validation
from search.report.gain import Gain
from search.report.history import History
from search.study import BASELINE
from search.study.ids import NETWORK, RECIPE
from search.system.wording import duration, plural, rounded, signed

DOUBT = "The interval contains zero: on these images the difference may be chance."


def verdict_of(history: History) -> tuple[str, list[str]]:
    """The verdict in one sentence, and what must be known to read it."""
    best, objective, notes = history.best, history.objective.name, _progress_notes(history)
    if best is None or history.best_score is None:
        return "No trial has completed yet.", notes
    score = rounded(history.best_score)
    confirmed = history.snapshot.confirmed
    if best["trial_id"] == BASELINE or (confirmed is not None and confirmed.of == BASELINE):
        return f"No configuration is better than the tutorial's baseline: {objective} {score}.", notes
    name = f"Configuration {best['config_id']} (trial {best['trial_id']})"
    compared = comparison_of(history)
    if compared is None:
        why = "There is no completed baseline to compare with."
        if history.baseline is not None:
            why = "The baseline's confirmation has failed, so that there is nothing to compare with."
        return f"{name} reaches {objective} {score}. {why}", notes
    sentence = (
        f"{name} is {_judgement(compared.gain, _share_of_macs(history))}: {objective} {rounded(compared.best)} against "
        f"{rounded(compared.baseline)} on {compared.where}, {compared.gain}."
    )
    doubt = [DOUBT] if compared.gain.low is not None and not compared.gain.is_sure else []
    return sentence, [
        *doubt,
        compared.gain.method,
        *_selection_notes(history, compared),
        *_control_notes(history),
        _cost_sentence(history),
        *notes,
    ]


def _judgement(gain: Gain, share: float | None) -> str:
    """One of three: better, as good at a share of the cost, or not better; or that it is not known how sure it is."""
    if gain.low is None:
        return f"{'ahead of' if gain.value > 0 else 'not ahead of'} the tutorial's baseline, how surely is not known"
    if gain.is_sure and gain.value > 0:
        return "better than the tutorial's baseline"
    if not gain.is_sure and share is not None and share < 1:
        return f"as good as the tutorial's baseline at {100 * share:.0f} % of its MACs"
    return "not better than the tutorial's baseline"


def _share_of_macs(history: History) -> float | None:
    best, baseline = history.best, history.baseline
    if best is None or baseline is None or not baseline["macs"] > 0:
        return None
    return float(best["macs"] / baseline["macs"])


def _selection_notes(history: History, compared: Comparison) -> list[str]:
    """What choosing the best by its score has added to it."""
    if history.snapshot.confirmed is not None:
        chosen = "the test images" if compared.is_unseen else "networks trained again from other seeds"
        return [f"The best of all trials was chosen by luck too; this gain is that of {chosen}, which were not chosen."]
    tried = len(history.configurations)
    note = (
        f"The best of {tried} configurations was chosen by this very score, so the gain is somewhat overestimated "
        "(selection)"
    )
    luck = expected_luck(history)
    if luck is not None:
        note += f", by about {rounded(luck)} if all were equally good"
    return [f"{note}. [confirm] trains the best again from other seeds, which shows the true gain."]


def _control_notes(history: History) -> list[str]:
    """How the gain splits into that of the recipe and that of the network, where controls were trained."""
    controls = {RECIPE: "the tutorial's network with its recipe", NETWORK: "its network with the default recipe"}
    confirmed, baseline = history.snapshot.confirmed, history.snapshot.baseline_mean
    if confirmed is None:
        return []
    found = {what: on_validation(history, f"{kind}-{confirmed.of}").scores for kind, what in controls.items()}
    parts = [
        f"{what} gains {signed(history.objective.gain(sum(scores) / len(scores), baseline))}"
        for what, scores in found.items()
        if scores and baseline is not None
    ]
    return [f"On the validation images, {' and '.join(parts)} over the baseline."] if parts else []


def facts_of(history: History) -> list[tuple[str, str]]:
    """The numbers that accompany the verdict."""
    best, baseline, snapshot = history.best, history.baseline, history.snapshot
    compared = comparison_of(history)
    facts = []
    if compared is not None and compared.is_unseen:
        facts += [
            (f"{history.objective.name.removeprefix('val_')} on the test split", rounded(compared.best)),
            ("the baseline's there", rounded(compared.baseline)),
        ]
    facts.append((f"best {history.objective.name}", "" if history.best_score is None else rounded(history.best_score)))
    if history.baseline_score is not None:
        facts.append(("baseline's", rounded(history.baseline_score)))
    if best is not None:
        for name, cost in history.costs.items():
            if pd.isna(best[name]):
                continue
            against = ""
            if baseline is not None and pd.notna(baseline[name]):
                against = f", baseline {cost.shown(baseline[name])}"
            facts.append((f"{cost.label} of the best", f"{cost.shown(best[name])}{against}"))
    facts.append(("smallest within one standard error", _smallest(history)))
    facts += [
        ("trials", f"{snapshot.finished} of {snapshot.trials_total}, {len(history.failed)} failed"),
        ("epochs trained", f"{snapshot.epochs_done:.0f} of {snapshot.epochs_total}"),
        ("time of all trials", duration(history.total_seconds)),
        ("from first start to last end", _span(history)),
    ]
    return [(label, text) for label, text in facts if text]


def _smallest(history: History) -> str:
    smallest = smallest_within_noise(history)
    if smallest is None:
        return ""
    cost = history.costs.get("macs")
    shown = "" if cost is None else f", {cost.shown(smallest['macs'])}"
    return f"{smallest['config_id']} (trial {smallest['trial_id']}): {rounded(smallest['score'])}{shown}"


def _cost_sentence(history: History) -> str:
    best, baseline = history.best, history.baseline
    if best is None or baseline is None:
        return ""
    parts = [
        f"{best[name] / baseline[name]:.2f} times the {cost.label}"
        for name, cost in history.costs.items()
        if baseline[name] > 0
    ]
    return f"It has {' and '.join(parts)} of the baseline's network." if parts else ""


def _progress_notes(history: History) -> list[str]:
    if history.snapshot.is_over:
        return []
    left = history.snapshot.trials_total - history.snapshot.finished
    return [f"The search is not over: {plural(left, 'trial')} to go. This page shows the results so far."]


def _span(history: History) -> str:
    if "started" not in history.trials or history.trials["finished"].notna().sum() == 0:
        return ""
    ends = pd.concat([history.trials["finished"], history.confirmations["finished"]])
    return duration((ends.max() - history.trials["started"].min()).total_seconds())
