"""Confirmation: the best configurations and the baseline again from other seeds, whatever is killed in between."""

from __future__ import annotations

from pathlib import Path
from random import Random
from statistics import fmean
from tempfile import TemporaryDirectory

from hypothesis import given, settings
from hypothesis import strategies as st

from search.oracle.study_oracle import StudyOracle
from search.oracle.trials import StudyTrial
from search.study.config import ConfirmSection
from search.study.ids import BASELINE, confirmation_of
from tests.unit.search.oracles import MEMORY, config_id, make_oracle, points

SEARCH = {"max_epochs": 9, "space": points(10_000)}


def value_of(trial_id: str) -> float:
    return Random(f"value of {trial_id}").random()


def fails(trial_id: str, share: float) -> bool:
    return Random(f"fails {trial_id}").random() < share


def run(
    folder: Path,
    confirm: ConfirmSection,
    *,
    baseline: bool = True,
    failing: float = 0.0,
    workers: int = 3,
    chance: Random | None = None,
    restarts: float = 0.0,
) -> StudyOracle:
    """Run a search to its end, without training; with restarts, the driver is killed now and then."""
    chance = chance or Random(0)
    oracle = make_oracle(folder, confirm=confirm, **SEARCH)
    if baseline and BASELINE not in oracle.trials:
        oracle.create_baseline(BASELINE, {"width": 5}, config_id({"width": 5}))
    while True:
        if chance.random() < restarts:
            oracle = make_oracle(folder, confirm=confirm, **SEARCH)
        under_way = list(oracle.ongoing_trials.values())
        if len(under_way) < workers and oracle.create_trial(f"slot{len(oracle.trials)}").status == "STOPPED":
            return oracle
        under_way = list(oracle.ongoing_trials.values())
        if under_way and (len(under_way) == workers or chance.random() < 0.5):
            finish(oracle, under_way[chance.randrange(len(under_way))], failing)


def finish(oracle: StudyOracle, trial: StudyTrial, failing: float) -> None:
    if fails(trial.trial_id, failing):
        oracle.finish(trial.trial_id, "FAILED", "out of luck")
        return
    oracle.report(trial.trial_id, [{"epoch": 9, "val_mean_iou": value_of(trial.trial_id)}], ("val_mean_iou",))
    oracle.finish(trial.trial_id, "COMPLETED")


def best_configurations(oracle: StudyOracle, top: int) -> list[str]:
    """By definition: the numbers of the configurations with the best trials."""
    ended = [trial for trial in oracle.trials.values() if trial.place and trial.status == "COMPLETED"]
    ended.sort(key=lambda trial: (-(trial.score or 0.0), trial.trial_id))
    return list(dict.fromkeys(trial.trial_id.partition("-")[0] for trial in ended))[:top]


@settings(max_examples=25, deadline=None)
@given(
    top=st.integers(0, 4),
    seeds=st.integers(1, 3),
    baseline=st.booleans(),
    failing=st.sampled_from([0.0, 0.3]),
    workers=st.integers(1, 8),
    chance=st.randoms(use_true_random=False),
    restarts=st.sampled_from([0.0, 0.3]),
)
def test_the_best_and_the_baseline_are_trained_again_and_the_mean_decides(
    top: int, seeds: int, baseline: bool, failing: float, workers: int, chance: Random, restarts: float
) -> None:
    with TemporaryDirectory(dir=MEMORY) as folder:
        oracle = run(
            Path(folder),
            ConfirmSection(top=top, seeds=seeds),
            baseline=baseline,
            failing=failing,
            workers=workers,
            chance=chance,
            restarts=restarts,
        )
    finalists = best_configurations(oracle, top)
    if top and baseline and not fails(BASELINE, failing):
        finalists.append(BASELINE)
    expected = {f"confirm-{name}-{seed}": name for name in finalists for seed in range(1, seeds + 1)}
    assert {name for name in oracle.trials if confirmation_of(name)} == set(expected)
    means = {}
    for name in finalists:
        own = [trial_id for trial_id, of in expected.items() if of == name]
        if not any(fails(trial_id, failing) for trial_id in own):
            means[name] = fmean(map(value_of, own))
    winner, confirmed = oracle.state.winner(), oracle.state.confirmed()
    if not set(means) - {BASELINE}:
        assert confirmed is None
        assert winner is next(iter(oracle.state.completed), None)
    else:
        assert confirmed is not None
        assert confirmed.of == max(means, key=lambda name: means[name])
        assert confirmed.mean == means[confirmed.of]
        assert winner is oracle.trials[confirmed.trial_id]
        assert expected[confirmed.trial_id] == confirmed.of


def test_a_confirmation_has_its_configurations_values_and_trains_it_whole(tmp_path: Path) -> None:
    oracle = run(tmp_path, ConfirmSection(top=1))
    (number, _) = [*best_configurations(oracle, 1), BASELINE]
    drawn, again = oracle.trials[f"{number}-0"], oracle.trials[f"confirm-{number}-1"]
    assert again.hyperparameters.values["width"] == drawn.hyperparameters.values["width"]
    assert again.record["config_id"] == drawn.record["config_id"]
    assert again.parent_id is None
    assert (again.hyperparameters.values["tuner/initial_epoch"], again.hyperparameters.values["tuner/epochs"]) == (0, 9)


def test_nothing_is_confirmed_before_all_other_trials_have_ended(tmp_path: Path) -> None:
    oracle = run(tmp_path, ConfirmSection(top=2))
    confirmed = [place for place, name in enumerate(oracle.start_order) if confirmation_of(name)]
    assert confirmed == list(range(len(oracle.trials) - 6, len(oracle.trials)))
    last_search = max(trial.record["ended"] for trial in oracle.trials.values() if not confirmation_of(trial.trial_id))
    assert all(oracle.trials[name].record["created"] >= last_search for name in oracle.start_order[-6:])


def test_controls_follow_once_the_winner_is_known(tmp_path: Path) -> None:
    # Among several, so that the winner is a configuration and not the baseline.
    oracle = run(tmp_path, ConfirmSection(top=4, seeds=1, controls=True))
    confirmed = oracle.state.confirmed()
    assert confirmed is not None
    assert confirmed.of != BASELINE
    assert oracle.start_order[-2:] == [f"confirm-recipe-{confirmed.of}-1", f"confirm-network-{confirmed.of}-1"]
    # What a control has of its own, not the winner's.
    assert oracle.trials[f"confirm-recipe-{confirmed.of}-1"].hyperparameters.values["width"] == 7


def test_a_study_without_confirmation_may_get_one_later(tmp_path: Path) -> None:
    before = run(tmp_path, ConfirmSection())
    assert not any(map(confirmation_of, before.trials))
    after = run(tmp_path, ConfirmSection(top=1, seeds=1))
    assert before.trials.keys() < after.trials.keys()
    assert after.trials.keys() - before.trials.keys() == {
        f"confirm-{best_configurations(before, 1)[0]}-1",
        "confirm-baseline-1",
    }


def test_confirmations_take_no_draw_from_the_brackets(tmp_path: Path) -> None:
    confirmed = run(tmp_path / "a", ConfirmSection(top=3, controls=True))
    plain = run(tmp_path / "b", ConfirmSection())
    ids = {name: trial.record["config_id"] for name, trial in confirmed.trials.items() if not confirmation_of(name)}
    assert ids == {name: trial.record["config_id"] for name, trial in plain.trials.items()}
