"""The space: hyperparameters -> network and recipe -> hyperparameters, conditions, and rates that see only padding."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

import keras_tuner
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from deeplab import TUTORIAL, Architecture, cost, feature_map_size
from hyperparameters.dimensions import CATALOGUE, Dimension, SpaceError, parse_dimension, plain
from hyperparameters.offers import CONDITIONS, GAPS
from recipe import Recipe
from search.oracle.samplers.random import draw_values
from space import DeepLabHyperModel, Space, as_space
from tests.unit.deeplab.strategies import architectures


def parse(image_size: tuple[int, int] = (512, 512), **table: Any) -> Space:
    return Space.parse(table, recipe=Recipe(), image_size=image_size)


def problems(image_size: tuple[int, int] = (512, 512), **table: Any) -> list[str]:
    with pytest.raises(SpaceError) as caught:
        parse(image_size, **table)
    return caught.value.problems


def whole(low: int, high: int) -> st.SearchStrategy[Any]:
    """A fixed value, a choice, or a range, which may be stepped or logarithmic."""
    ends = st.lists(st.integers(low, high), min_size=2, max_size=2, unique=True).map(sorted)
    ranges = ends.map(lambda ends: {"min": ends[0], "max": ends[1]})
    stepped = st.builds(lambda ends, step: {**ends, "step": step}, ranges, st.integers(1, 4))
    logarithmic = ranges.map(lambda ends: {"min": max(ends["min"], 1), "max": max(ends["max"], 1), "sampling": "log"})
    return st.integers(low, high) | st.lists(st.integers(low, high), min_size=1, max_size=4) | stepped | logarithmic


RATES = ("aspp_branches", "aspp_rate", *GAPS)
FLAG = st.sampled_from([True, False, [True, False]])
TABLES = st.fixed_dictionaries(
    {},
    optional={
        "encoder": st.lists(st.sampled_from(["ResNet50", "MobileNetV2"]), min_size=1, max_size=2, unique=True),
        "output_stride": st.lists(st.sampled_from([8, 16, 32]), min_size=1, unique=True),
        "aspp_tap": st.sampled_from(
            [
                ["stage5", "stage4"],
                ["stage3", "stage5"],
                {"ResNet50": ["stage5", "conv5_block3_out"], "MobileNetV2": ["out_relu", "stage5", "stage4"]},
                {"MobileNetV2": "stage5"},
            ]
        ),
        "aspp_filters": whole(1, 512),
        "aspp_branches": whole(0, 5),
        "aspp_rate": whole(1, 9),
        **{f"aspp_gap_{branch}": whole(1, 9) for branch in range(2, 6)},
        "aspp_pooling": FLAG,
        "aspp_separable": FLAG,
        "aspp_dropout": st.sampled_from([0.5, [0.0, 0.5], {"min": 0, "max": 0.5}, {"min": 0, "max": 0.5, "step": 0.1}]),
        "low_level_filters": whole(0, 64),
        "low_level_tap": st.sampled_from(
            [
                "stage1",
                ["stage1", "stage2"],
                ["stage2", ["stage2", "stage1"]],
                ["stage4", "stage4+stage2", "stage2"],
                {"ResNet50": ["conv2_block2_out", "stage2"], "MobileNetV2": ["block_2_add", "stage2"]},
            ]
        ),
        "decoder_depth": whole(0, 4),
        "decoder_filters": whole(1, 512),
        "decoder_separable": FLAG,
        "decoder_double_relu": FLAG,
        "normalization": st.sampled_from(["group", ["batch", "group"]]),
        "optimizer": st.lists(st.sampled_from(["adamw", "adam", "sgd"]), min_size=1, unique=True),
        "weight_decay": st.just([0.0, 1e-4]),
        "learning_rate": st.just({"min": 1e-4, "max": 1e-2, "sampling": "log"}),
        "batch_size": whole(1, 32),
    },
)


def has_parent(name: str, table: dict[str, Any]) -> bool:
    """Whether some point of the space has this hyperparameter."""
    condition = CONDITIONS.get(name)
    if condition is None:
        return True
    tutorial = CATALOGUE[condition.parent].tutorial
    dimension = parse_dimension(condition.parent, table.get(condition.parent, tutorial), tutorial)
    values: Any = dimension.values() if isinstance(dimension, Dimension) else [dimension]
    return any(condition.holds(value) for value in values)


# Reasons why a table of allowed values may still not be a valid space.
NO_SPACE = ("nothing is left of the range", "cannot give output_stride", "must be shallower")


def parsed(table: dict[str, Any], image_size: tuple[int, int]) -> Space:
    """The space of a generated table; rejects the example if it is not a valid space."""
    encoders = table.get("encoder", ["ResNet50"])
    table = {
        name: {encoder: taps for encoder, taps in given.items() if encoder in encoders}
        if isinstance(given, dict) and name.endswith("_tap")
        else given
        for name, given in table.items()
        if has_parent(name, table)
    }
    try:
        return parse(image_size, **{name: given for name, given in table.items() if given != {}})
    except SpaceError as error:
        assume(not all(any(reason in text for reason in NO_SPACE) for text in error.problems))
        raise


@settings(max_examples=200, deadline=None)
@given(table=TABLES, image_size=st.sampled_from([(96, 128), (333, 511), (512, 512)]))
def test_points_and_configurations_are_a_bijection(table: dict[str, Any], image_size: tuple[int, int]) -> None:
    space = parsed(table, image_size)
    hp = space.hyperparameters()
    assert {hyperparameter.name for hyperparameter in hp.space} == {offer.key for offer in space.offers}
    assert {offer.name for offer in space.offers} == set(space.searched)
    seen: dict[Any, Any] = {}
    for number in range(20):
        values = draw_values(hp, [1, number])
        architecture, recipe = space.architecture(values), space.recipe_of(values)
        assert space.values(architecture, recipe) == values
        assert seen.setdefault((architecture, recipe), values) == values, "two points are one configuration"
        assert Architecture.from_toml(architecture.to_toml()) == architecture
        point = {**space.fixed, **plain(values)}
        assert list(architecture.aspp_rates) == sorted(set(architecture.aspp_rates))
        for name in space.searched:
            condition = CONDITIONS.get(name)
            assert (name in plain(values)) == (condition is None or condition.holds(point[condition.parent]))
        own_rates = {"aspp_rate", *(f"aspp_gap_{k}" for k in range(2, 6))} & set(space.fixed)
        if space.admits(values) and not own_rates and architecture.aspp_rates:
            assert architecture.aspp_rates[-1] < max(feature_map_size(image_size, architecture.output_stride))


@given(
    architecture=architectures(("ResNet50", "MobileNetV2")),
    optimizer=st.sampled_from(["adamw", "sgd"]),
    rate=st.floats(1e-6, 1),
)
def test_a_configuration_is_a_space_of_one_point(architecture: Architecture, optimizer: Any, rate: float) -> None:
    recipe = Recipe(optimizer=optimizer, learning_rate=rate, batch_size=3, augment="none")
    space = parse((64, 64), **as_space(architecture, recipe))
    assert not space.searched
    assert (space.architecture({}), space.recipe_of({})) == (architecture, recipe)
    assert space.admits({}), "fixed rates are the user's own choice"


def test_an_empty_space_is_the_tutorial() -> None:
    space = parse()
    assert (space.architecture({}), space.recipe_of({})) == (TUTORIAL, Recipe())
    assert space.hyperparameters().space == []
    assert draw_values(space.hyperparameters(), [0, 0]) == {}
    assert space.baseline() == (TUTORIAL, Recipe())


def test_an_encoder_alone_brings_its_own_taps() -> None:
    space = parse(encoder="MobileNetV2")
    assert space.architecture({}) == Architecture(encoder="MobileNetV2") == space.baseline()[0]
    assert space.encoders() == ["MobileNetV2"]


def test_the_baseline_keeps_encoder_and_recipe_alone() -> None:
    recipe = Recipe(optimizer="sgd", batch_size=2)
    table = {"encoder": ["MobileNetV2", "ResNet50"], "aspp_filters": [8, 16], "learning_rate": [0.1, 0.2]}
    space = Space.parse(table, recipe=recipe, image_size=(64, 64))
    architecture, trained = space.baseline()
    assert architecture == TUTORIAL, "the tutorial's own encoder, where the list holds it"
    assert trained == Recipe(optimizer="sgd", batch_size=2, learning_rate=0.1)
    assert space.values(architecture, trained) == {
        "encoder": "ResNet50",
        "aspp_filters": 256,
        "learning_rate": 0.1,
    }, "outside the ranges it has a row all the same"


def test_defaults_of_the_whole_space_are_the_tutorial() -> None:
    space = parse(aspp_filters=[64, 256], aspp_branches={"min": 0, "max": 5}, aspp_rate={"min": 1, "max": 9})
    assert space.architecture(space.hyperparameters().values) == TUTORIAL


def test_every_mistake_of_a_space_is_reported() -> None:
    found = problems(aspp_filter=3, aspp_filters="x", aspp_rate=[])
    assert [problem.split(":")[0] for problem in found] == [
        "[space] aspp_filter",
        "[space] aspp_filters",
        "[space] aspp_rate",
    ]


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (
            {"aspp_gap_3": [1, 2], "aspp_branches": 2},
            "aspp_gap_3: exists only where aspp_branches is at least 3; aspp_branches is 2.",
        ),
        ({"aspp_gap_5": 2}, "aspp_gap_5: exists only where aspp_branches is at least 5; aspp_branches is 3."),
        ({"aspp_separable": True, "aspp_branches": [0]}, "aspp_separable: exists only where aspp_branches"),
        ({"decoder_filters": 8, "decoder_depth": 0}, "decoder_filters: exists only where decoder_depth"),
        ({"low_level_tap": "stage1", "low_level_filters": 0}, "low_level_tap: exists only where low_level_filters"),
        ({"aspp_tap": "conv9"}, "aspp_tap: ResNet50 has no layer 'conv9' to tap. Stages: "),
        (
            {"encoder": ["ResNet50", "MobileNetV2"], "aspp_tap": "conv4_block6_out"},
            "aspp_tap: MobileNetV2 has no layer",
        ),
        ({"low_level_tap": ["stage2", "stage5"]}, "low_level_tap: low-level tap 'conv5_block3_out' (stride 32) must"),
    ],
)
def test_what_no_point_could_have_is_refused(table: dict[str, Any], message: str) -> None:
    (problem,) = problems(**table)
    assert problem.startswith(f"[space] {message}")


def test_taps_are_checked_together() -> None:
    space = parse(aspp_tap="stage5", low_level_tap=["stage4", "stage2"])
    assert space.architecture({"low_level_tap": "stage4"}).low_level_tap == ("conv4_block6_out",)
    (problem,) = problems(aspp_tap="stage4", low_level_tap=["stage4", "stage2"])
    assert problem.startswith("[space] low_level_tap: low-level tap 'conv4_block6_out'")


def test_a_tap_is_offered_where_it_can_be_had() -> None:
    space = parse(output_stride=[8, 16, 32], aspp_tap=["stage4", "stage5"], low_level_tap=["stage4", "stage2"])
    assert space.searched["aspp_tap"].choices == ("stage4", "stage5")
    offered = {offer.key: (offer.scope, offer.dimension.choices) for offer in space.offers if "_tap" in offer.name}
    assert offered == {
        "output_stride_8/aspp_tap": ({"output_stride": (8,)}, ("stage4", "stage5")),
        "output_stride_16/aspp_tap": ({"output_stride": (16,)}, ("stage4", "stage5")),
        "output_stride_32/aspp_tap": ({"output_stride": (32,)}, ("stage5",)),
        **{
            f"output_stride_{stride}/aspp_tap_{tap}/low_level_tap": ({f"output_stride_{stride}/aspp_tap": (tap,)}, low)
            for stride in (8, 16, 32)
            for tap, low in (("stage4", ("stage2",)), ("stage5", ("stage4", "stage2")))
            if (stride, tap) != (32, "stage4")
        },
    }
    hp = space.hyperparameters()
    assert len({space.architecture(draw_values(hp, [0, number])) for number in range(100)}) == 8
    assert "aspp_tap: stage4 is left out where output_stride is 32: it is impossible there." in space.notes


def test_what_is_left_out_is_said_once_for_all_encoders() -> None:
    encoders = ["ResNet50", "MobileNetV2"]
    both = parse(encoder=encoders, output_stride=[16, 32], aspp_tap=["stage4", "stage5"])
    assert both.notes == ("aspp_tap: stage4 is left out where output_stride is 32: it is impossible there.",)
    taps = {"ResNet50": ["stage4", "stage5"], "MobileNetV2": "stage5"}
    one = parse(encoder=encoders, output_stride=[16, 32], aspp_tap=taps)
    assert one.notes == ("aspp_tap: stage4 of ResNet50 is left out where output_stride is 32: it is impossible there.",)


def test_a_layer_of_two_names_is_one_choice() -> None:
    space = parse(aspp_tap=["stage4", "conv4_block6_out", "conv4_block5_out"])
    assert space.searched["aspp_tap"].choices == ("stage4", "conv4_block5_out")
    assert space.notes[0].startswith("aspp_tap: conv4_block6_out of ResNet50 is the same layer as stage4")
    assert not parse(low_level_tap=["stage2", "conv2_block3_out"]).searched
    assert (
        parse(low_level_tap=["stage3+stage2", ["conv3_block4_out", "stage2"]]).fixed["low_level_tap"] == "stage3+stage2"
    )


def test_a_layer_that_only_passes_its_input_on_is_that_input() -> None:
    block = "convnext_tiny_stage_2_block_8"
    space = parse(encoder="ConvNeXtTiny", aspp_tap=[f"{block}_layer_scale", f"{block}_identity"])
    assert space.fixed["aspp_tap"] == f"{block}_layer_scale"


def test_taps_by_encoder() -> None:
    taps = {"ResNet50": ["conv2_block3_out", "conv2_block2_out"], "MobileNetV2": "block_2_add"}
    encoders = ["ResNet50", "MobileNetV2", "DenseNet121"]
    space = parse(encoder=encoders, low_level_tap=taps)
    offers = {offer.key: offer for offer in space.offers}
    assert list(offers) == ["encoder", *(f"{encoder}/low_level_tap" for encoder in encoders)]
    assert offers["ResNet50/low_level_tap"].dimension.default == "conv2_block2_out", "the tutorial's"
    assert offers["DenseNet121/low_level_tap"].dimension.choices == ("pool2_relu",), "its own"
    drawn = [draw_values(space.hyperparameters(), [0, number]) for number in range(60)]
    found = {(values["encoder"], plain(values)["low_level_tap"]) for values in drawn}
    assert found == {
        ("ResNet50", "conv2_block2_out"),
        ("ResNet50", "conv2_block3_out"),
        ("MobileNetV2", "block_2_add"),
        ("DenseNet121", "pool2_relu"),
    }
    one = parse(encoder="MobileNetV2", low_level_tap={"MobileNetV2": "block_1_project_BN"})
    assert one.architecture({}).low_level_tap == ("block_1_project_BN",)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"ResNet51": "stage2"}, "low_level_tap: unknown encoder ResNet51; available: ResNet50, "),
        (
            {"MobileNetV2": "stage2"},
            "low_level_tap: given for MobileNetV2, which is not in the space; its enc",
        ),
        ({"ResNet50": "block_2_add"}, "low_level_tap: ResNet50 has no layer 'block_2_add' to tap."),
        ({"ResNet50": [3]}, "low_level_tap: given 3; expected a name."),
        ({"min": 1, "max": 3}, "low_level_tap: given a range; expected a value or a list of values."),
    ],
)
def test_mistakes_in_taps_by_encoder(table: dict[str, Any], message: str) -> None:
    (problem,) = problems(low_level_tap=table)
    assert problem.startswith(f"[space] {message}")


@pytest.mark.parametrize(
    "oracle",
    [
        keras_tuner.oracles.RandomSearchOracle,
        keras_tuner.oracles.GridSearchOracle,
        keras_tuner.oracles.HyperbandOracle,
    ],
)
@pytest.mark.filterwarnings("ignore:.*deprecated:DeprecationWarning:keras_tuner")
def test_stock_oracles_keep_to_points_of_the_space(oracle: Any, tmp_path: Path) -> None:
    space = parse(
        encoder=["ResNet50", "MobileNetV2"],
        low_level_filters=[0, 48],
        low_level_tap={"ResNet50": ["stage2", "conv2_block2_out"], "MobileNetV2": ["block_1_project_BN", "stage2"]},
        optimizer=["adam", "sgd"],
        weight_decay=[0.0, 0.1],
    )
    size = {"max_epochs": 9} if oracle is keras_tuner.oracles.HyperbandOracle else {"max_trials": 12}
    objective = keras_tuner.Objective("val_mean_iou", "max")
    stock = oracle(objective, hyperparameters=space.hyperparameters(), seed=0, **size)
    stock._set_project_dir(tmp_path, "stock")
    for number in range(12):
        trial = stock.create_trial("tuner")
        stock.update_trial(trial.trial_id, {"val_mean_iou": number / 20})
        trial.status = "COMPLETED"
        stock.end_trial(trial)
        values = {name: value for name, value in trial.hyperparameters.values.items() if not name.startswith("tuner/")}
        assert space.values(space.architecture(values), space.recipe_of(values)) == values
        assert space.declare(trial.hyperparameters) == values


def test_keras_tuner_loses_values_of_hyperparameters_that_share_a_name() -> None:
    hp = keras_tuner.HyperParameters()
    hp.Choice("encoder", ["a", "b"])
    for encoder in ("a", "b"):
        with hp.conditional_scope("encoder", [encoder]):
            hp.Choice("tap", [f"{encoder}1", f"{encoder}2"])
    assert hp.values == {"encoder": "a", "tap": "a1"}
    hp.ensure_active_values()
    assert "tap" not in hp.values, "KerasTuner has learned it: `Offer.key` can be the name"


def test_rates_that_reach_padding_alone_are_not_offered() -> None:
    space = parse((96, 128), aspp_branches=[1, 2], aspp_rate={"min": 2, "max": 18}, aspp_gap_2=[1, 3, 5, 6])
    assert space.searched["aspp_rate"].values() == tuple(range(2, 8)), "the map is 6x8"
    assert space.searched["aspp_gap_2"].values() == (1, 3, 5)
    assert [note.split(";")[0].split(" are")[0] for note in space.notes] == [
        "aspp_rate: values of 8 and above",
        "aspp_gap_2: values of 6 and above",
    ]
    point = {"aspp_branches": 2, "aspp_rate": 4}
    assert space.admits(point | {"aspp_gap_2": 3})
    assert not space.admits(point | {"aspp_gap_2": 5})


def test_nothing_left_of_a_range_is_refused() -> None:
    (problem,) = problems((96, 128), aspp_rate=[8, 12])
    assert problem.startswith(
        "[space] aspp_rate: nothing is left of the range: at 96x128 the feature map's longer side is"
    )
    table = {"aspp_rate": [5, 6], "aspp_gap_2": [1, 2], "aspp_gap_3": [2, 3]}
    (problem,) = problems((96, 128), **table)
    assert problem.startswith("[space] aspp_gap_3: ")
    assert parse((96, 128), **table, output_stride=8).notes == ()


def test_fixed_rates_that_reach_padding_alone_draw_a_warning() -> None:
    space = parse((96, 128), aspp_filters=[8, 16])
    assert [note.split(" on ")[0] for note in space.notes] == [
        "aspp_gap_2: the fixed dilation rate 12 reaches only padding",
        "aspp_gap_3: the fixed dilation rate 18 reaches only padding",
    ]
    assert space.admits({"aspp_filters": 8})


def test_an_output_stride_without_rates_is_dropped() -> None:
    space = parse((128, 128), output_stride=[8, 16, 32], aspp_branches=[1, 2], aspp_rate=[5, 9], aspp_gap_2=[1, 2])
    assert space.searched["output_stride"].choices == (8, 16)
    assert [note for note in space.notes if note.startswith("output_stride")] == [
        "output_stride: 32 is dropped: its feature map's longer side is 4, and no rates in the ranges are smaller."
    ]
    assert parse((128, 128), output_stride=[8, 32], aspp_branches=[0, 1], aspp_rate=[5, 9]).notes == ()


@settings(max_examples=60, deadline=None)
@given(table=TABLES, image_size=st.sampled_from([(96, 128), (512, 512)]), stride=st.sampled_from([8, 16, 32]))
def test_sets_of_rates_are_counted(table: dict[str, Any], image_size: tuple[int, int], stride: int) -> None:
    space = parsed({name: given for name, given in table.items() if name in RATES}, image_size)
    values: dict[str, Any] = {
        name: space.searched[name].values() if name in space.searched else [space.fixed[name]] for name in RATES
    }
    for branches in values.pop("aspp_branches"):
        steps = list(values)[:branches]
        sets = [dict(zip(steps, chosen, strict=True)) for chosen in product(*(values[name] for name in steps))]
        point = {"output_stride": stride, "aspp_branches": branches}
        assert space.rates.count(stride, branches) == sum(space.rates.admit(point | chosen) for chosen in sets)


def test_fixed_rates_do_not_empty_a_space() -> None:
    strides = parse((128, 128), output_stride=[8, 16])
    assert all(strides.admits({"output_stride": stride}) for stride in (8, 16))
    branches = parse((96, 128), aspp_branches=[1, 2, 3])
    assert all(branches.admits({"aspp_branches": count}) for count in (1, 2, 3))
    first = parse((96, 128), aspp_branches=2, aspp_rate=[1, 2])
    assert [first.admits({"aspp_rate": rate}) for rate in (1, 2)] == [True, False], "1 + 6 fits a side of 8"


def data() -> Any:
    images = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3)).astype("float32")
    return tf.data.Dataset.from_tensor_slices((images, (images[..., 0] > 127).astype("int32"))).batch(2)


@pytest.fixture
def eager() -> Iterator[None]:
    """For a single step of a large graph, eager execution costs less than tracing."""
    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


# One real training step each: the slow test in this file.
@pytest.mark.usefixtures("eager")
@pytest.mark.filterwarnings("ignore:.*deprecated:DeprecationWarning:keras_tuner")
@pytest.mark.parametrize(
    ("tuner", "size"), [(keras_tuner.RandomSearch, {"max_trials": 1}), (keras_tuner.Hyperband, {"max_epochs": 1})]
)
def test_stock_tuners_use_the_hypermodel(tuner: Any, size: dict[str, int], tmp_path: Path) -> None:
    space = parse((64, 64), encoder="MobileNetV2", aspp_branches=0, aspp_filters=[4, 8], decoder_depth=[0, 1])
    model = DeepLabHyperModel(space, classes=2, encoder_weights=None, total_steps=2)
    objective = keras_tuner.Objective("val_mean_iou", "max")
    search = tuner(model, objective, directory=tmp_path, project_name="stock", seed=1, **size)
    search.search(data(), validation_data=data(), epochs=1, shuffle=False, verbose=0)
    (trial,) = search.oracle.get_best_trials(1)
    assert 0 <= trial.score <= 1
    architecture = space.architecture(trial.hyperparameters.values)
    assert architecture.aspp_filters in (4, 8)
    assert model.build(trial.hyperparameters).count_params() == cost(architecture, (64, 64), 2).parameters
