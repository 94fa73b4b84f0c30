"""What a study takes from earlier ones: what fits, what is said of the rest, and that it is kept."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from deeplab import Architecture
from recipe import Recipe
from search.driver.mending import mend
from search.errors import UserError
from search.oracle.factory import make_oracle
from search.oracle.identity import configuration_of
from search.oracle.latency import LatencyMeter
from search.oracle.limits import Limits
from search.oracle.points import Observation
from search.oracle.sight import is_blind
from search.oracle.start import NO_START, Start, load_start, write_start
from search.oracle.starting import read_start
from search.results.best_file import write_best
from search.study.config import StudyConfig
from search.study.folder import Study
from search.study.prepare import Prepared, open_data, read_space
from search.system.files import backup_of
from search.system.toml import to_toml
from tests.unit.search.conftest import MakeConfig, MakeStudy

SPACE: dict[str, Any] = {
    "encoder": "MobileNetV2",
    "encoder_weights": "none",
    "output_stride": 8,
    "aspp_tap": "stage3",
    "aspp_branches": 0,
    "aspp_filters": [8, 16, 32, 64],
    "learning_rate": {"min": 1e-4, "max": 1e-2, "sampling": "log"},
}
WIDE = {**SPACE, "aspp_filters": [32, 64, 128]}


def prepared(config: StudyConfig) -> Prepared:
    return Prepared(config, open_data(config), read_space(config, "test"))


def limits_of(study: Prepared) -> Limits:
    return Limits(study.config, study.space, 6, LatencyMeter(study.config.data.image_size, 6))


@pytest.fixture
def earlier(make_study: MakeStudy, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Study:
    """A finished study of 6 trials and no baseline, in which wide networks are good and one trial has failed."""
    monkeypatch.chdir(tmp_path)
    study = make_study(study={"name": "earlier"}, space=SPACE, hyperband={"baseline": False})
    finish(study)
    return study


def finish(study: Study) -> None:
    config = study.config()
    own = prepared(config)
    oracle = make_oracle(config, own.space, limits_of(own))
    oracle.attach(study)
    while (trial := oracle.create_trial(f"slot{len(oracle.trials)}")).status == "RUNNING":
        trial.record |= {"parameters": 1, "macs": 1}
        values = trial.hyperparameters.values
        score = values["aspp_filters"] / 100 + values["tuner/epochs"] / 10
        oracle.report(trial.trial_id, [{"epoch": 1, "val_mean_iou": score}], ("val_mean_iou",))
        oracle.finish(trial.trial_id, "FAILED" if trial.trial_id == "0001-0" else "COMPLETED")
    best = oracle.state.completed.best(1)[0]
    write_best(study, config, best, *configuration_of(own.space, best.trial_id, best.hyperparameters.values))


@pytest.fixture
def read(make_config: MakeConfig) -> Any:
    """Reads what a study takes from the paths given; its keys can be replaced."""

    def read_with(*paths: str, space: Any = WIDE, hyperband: Any = None, **sections: Any) -> tuple[Start, list[str]]:
        band = {"sampler": "tpe", "start": list(paths)} | (hyperband or {})
        own = prepared(make_config(space=space, hyperband=band, **sections))
        return read_start(own, limits_of(own))

    return read_with


def test_a_best_file_is_evaluated_first(earlier: Study, read: Any, make_config: MakeConfig) -> None:
    start, notes = read("earlier/best.toml")
    assert notes == ["earlier/best.toml: its configuration is evaluated first"]
    assert [point.values["aspp_filters"] for point in start.configurations] == [64]
    assert start.results == ()
    own = prepared(make_config(space=WIDE, hyperband={"max_epochs": 9}))
    oracle, plain = (make_oracle(own.config, own.space, limits_of(own), each) for each in (start, NO_START))
    ours, theirs = oracle.preview(), plain.preview()
    assert ours[0] == start.points[0]
    assert ours[1:] == theirs[1:], "all others are drawn as they would be without"
    best = Architecture.from_toml(earlier.best_file)
    assert own.space.architecture(ours[0]) == best


def test_a_study_gives_its_best_and_the_trials_that_lie_in_the_space(earlier: Study, read: Any) -> None:
    start, (note,) = read("earlier")
    own = {path.name for path in earlier.trial_folders()}
    inside = [result for result in start.results if result.values["aspp_filters"] >= 32]
    assert inside == list(start.results)
    assert 0 < len(inside) < len(own)
    assert f"{len(inside)} of its {len(own)} trials lie in this space and inform the sampler" in note
    assert "(searched in both: aspp_filters, learning_rate)" in note
    assert f"outside: aspp_filters ({len(own) - len(inside)})" in note
    assert len(start.configurations) == 1
    failed = [result for result in start.results if result.trial_id == "0001-0"]
    assert all(result.score is None for result in failed)
    some = next(result for result in start.results if result.score is not None)
    assert some.score is not None
    assert some.observation(-1.0) == Observation(some.values, some.epochs, -some.score)


def test_a_draw_that_is_not_blind_knows_them_from_the_first_on(tmp_path: Path, make_config: MakeConfig) -> None:
    config = make_config(space=WIDE, hyperband={"sampler": "tpe", "max_epochs": 27})
    own = prepared(config)
    rates = (1e-4, 2e-4, 3e-4, 5e-4, 1e-3, 9e-3)
    known = [
        {"source": "x", "trial_id": "0000-0", "epochs": 9, "score": rate, "values": {"aspp_filters": 64, **values}}
        for rate in rates
        for values in [{"learning_rate": rate}]
    ]
    drawn = []
    for name, start in {"without": NO_START, "with": Start.model_validate({"results": known})}.items():
        oracle = make_oracle(config, own.space, limits_of(own), start)
        (tmp_path / name).mkdir()
        oracle.attach(Study(tmp_path / name))
        drawn.append([oracle.create_trial(f"slot{number}").hyperparameters.values for number in range(8)])
    blind = sum(is_blind(oracle.schedule.brackets[0], number) for number in range(8))
    assert drawn[0][:blind] == drawn[1][:blind]
    assert all(one != other for one, other in zip(drawn[0][blind:], drawn[1][blind:], strict=True))


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"study": {"objective": "val_loss"}}, "objective differ"),
        ({"study": {"score": "smoothed"}}, "score differ"),
        ({"data": {"train_images": 3}}, "the data differ"),
        ({"data": {"resize": "pad"}}, "image_size, resize or scale differ"),
        ({"hyperband": {"max_epochs": 9}}, "max_epochs differ"),
        ({"hyperband": {"sampler": "random"}}, "sampler = 'random' does not learn"),
    ],
)
def test_scores_that_mean_something_else_are_not_used(earlier: Study, read: Any, changed: Any, why: str) -> None:
    start, (note,) = read("earlier", **changed)
    assert start.results == ()
    assert why in note
    assert "its best configuration is evaluated first" in note


def test_what_does_not_fit_is_named(earlier: Study, read: Any) -> None:
    narrow = {**SPACE, "aspp_filters": [8, 16], "decoder_depth": 1}
    with pytest.raises(UserError, match=r"earlier/best.toml is not one of this study: aspp_filters is 64, but"):
        read("earlier/best.toml", space=narrow)
    fixed = {**SPACE, "decoder_depth": 1}
    with pytest.raises(UserError, match=r"decoder_depth is 2, but the study has 1\.$"):
        read("earlier/best.toml", space=fixed)
    with pytest.raises(UserError, match=r"exceeds \[limits\] max_parameters"):
        read("earlier/best.toml", limits={"max_parameters": 10})
    start, (note,) = read("earlier", space={**SPACE, "aspp_filters": [8, 16]})
    assert not start.configurations
    assert start.results
    assert "its best configuration cannot be evaluated here: aspp_filters is 64, but the space has 8, 16" in note
    with pytest.raises(UserError, match=r"nothing of earlier can be used"):
        read("earlier", space={**SPACE, "encoder": "MobileNet"})


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("", r"has no table \[architecture\]; expected a file like the best.toml of a study"),
        ("[architecture]\n", r"has no table \[recipe\]"),
        ("[architecture]\nencoder = 5\n[recipe]\n", r"\[architecture\] encoder: given 5"),
        ("[architecture", "is not TOML"),
    ],
)
def test_a_file_that_is_no_best_file_is_refused(tmp_path: Path, read: Any, content: str, why: str) -> None:
    file = tmp_path / "other.toml"
    file.write_text(content)
    with pytest.raises(UserError, match=why):
        read(str(file))


def test_paths_that_hold_nothing_are_refused(tmp_path: Path, read: Any) -> None:
    with pytest.raises(
        UserError, match=r"\[hyperband\] start: gone.toml does not exist; expected a file like best.toml"
    ):
        read("gone.toml")
    with pytest.raises(UserError, match="holds no study"):
        read(str(tmp_path))


def test_the_baseline_and_what_is_named_twice_are_evaluated_once(earlier: Study, read: Any, tmp_path: Path) -> None:
    start, notes = read("earlier/best.toml", "earlier")
    assert len(start.configurations) == 1
    assert "is that of earlier/best.toml, which is trained in any case" in notes[1]
    baseline = tmp_path / "baseline.toml"
    table = {"architecture": Architecture(encoder="MobileNetV2").model_dump(), "recipe": Recipe().model_dump()}
    baseline.write_text(to_toml(table))
    start, (note,) = read(str(baseline), space={"encoder": "MobileNetV2", "aspp_filters": [128, 256]})
    assert start.configurations == ()
    assert "is the baseline, which is trained in any case" in note


def test_more_than_the_first_bracket_starts_are_refused(earlier: Study, read: Any) -> None:
    other = Path("other.toml")
    other.write_text(earlier.best_file.read_text().replace("aspp_filters = 64", "aspp_filters = 32"))
    with pytest.raises(UserError, match=r"given 2 configurations, but the first bracket starts 1\. Name fewer"):
        read("earlier/best.toml", "other.toml", hyperband={"max_epochs": 1})


def test_what_was_taken_is_kept_and_a_damaged_file_is_restored(
    earlier: Study, read: Any, make_config: MakeConfig, make_study: MakeStudy
) -> None:
    start, _ = read("earlier")
    study = make_study(study={"name": "new"}, space=WIDE, hyperband={"start": ["earlier"]})
    write_start(study, start)
    config = study.config()
    assert load_start(study, config) == start
    study.start_file.write_text(study.start_file.read_text()[:200])
    assert load_start(study, config) == start, "its copy is whole"
    assert mend(study) == [f"{study.start_file} was damaged; restored from its copy"]
    assert json.loads(study.start_file.read_text()) == json.loads(backup_of(study.start_file).read_text())
    for file in (study.start_file, backup_of(study.start_file)):
        file.write_text("{}x")
    with pytest.raises(UserError, match=r"start.json is damaged or missing, and so is its copy start.json.bak"):
        load_start(study, config)
    without = make_config(space=WIDE)
    assert load_start(study, without) == NO_START
