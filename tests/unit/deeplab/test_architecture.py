"""`Architecture`: defaults, equality, refused values and their messages, conversion to and from TOML."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from pydantic import ValidationError

from deeplab import ENCODERS, TUTORIAL, Architecture
from deeplab.profile import natural_strides
from tests.unit.deeplab.strategies import architectures


def test_defaults_are_the_tutorial() -> None:
    assert TUTORIAL.model_dump() == {
        "encoder": "ResNet50",
        "output_stride": 16,
        "aspp_tap": "conv4_block6_out",
        "low_level_filters": 48,
        "low_level_tap": ("conv2_block2_out",),
        "aspp_filters": 256,
        "aspp_rates": (6, 12, 18),
        "aspp_pooling": True,
        "aspp_separable": False,
        "aspp_dropout": 0.0,
        "decoder_depth": 2,
        "decoder_filters": 256,
        "decoder_separable": False,
        "decoder_double_relu": True,
        "normalization": "batch",
    }


@given(architectures())
def test_toml_round_trip_is_identity(architecture: Architecture) -> None:
    again = Architecture.from_toml(architecture.to_toml())
    assert again == architecture
    assert hash(again) == hash(architecture)


def test_toml_from_file_top_level_and_beside_other_tables(tmp_path: Path) -> None:
    path = tmp_path / "best.toml"
    path.write_text('[recipe]\noptimizer = "sgd"\n\n' + TUTORIAL.to_toml())
    assert Architecture.from_toml(path) == TUTORIAL
    assert Architecture.from_toml(str(path)) == TUTORIAL
    assert Architecture.from_toml("output_stride = 8") == Architecture(output_stride=8)
    assert Architecture.from_toml("") == TUTORIAL


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("missing.toml", "cannot read missing.toml"),
        ("a = = 1", "not TOML"),
        ("architecture = 3", "must be a table; given: 3"),
        ("[architecture]\ncolour = 3", "colour"),
    ],
)
def test_bad_toml_is_refused(source: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Architecture.from_toml(source)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({}, {"aspp_tap": "stage4", "low_level_tap": "conv2_block2_out"}),
        ({"low_level_tap": "stage2"}, {"low_level_tap": ("conv2_block3_out",)}),
        ({"low_level_filters": 0}, {"low_level_filters": 0, "low_level_tap": "stage3"}),
        ({"aspp_rates": ()}, {"aspp_rates": (), "aspp_separable": True}),
        ({"decoder_depth": 0}, {"decoder_depth": 0, "decoder_filters": 7, "decoder_double_relu": False}),
        ({"decoder_depth": 0}, {"decoder_depth": 0, "decoder_separable": True}),
    ],
)
def test_equal_networks_compare_equal(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert Architecture(**one) == Architecture(**other)
    assert hash(Architecture(**one)) == hash(Architecture(**other))


@pytest.mark.parametrize("encoder", ENCODERS)
def test_an_encoder_alone_is_enough(encoder: str) -> None:
    for output_stride in (8, 16, 32):
        architecture = Architecture(encoder=encoder, output_stride=output_stride)
        assert architecture == Architecture(
            encoder=encoder,
            output_stride=output_stride,
            aspp_tap=architecture.aspp_tap,
            low_level_tap=architecture.low_level_tap,
        )


@pytest.mark.parametrize(
    ("fields", "messages"),
    [
        ({"encoder": "ResNet51"}, ["unknown encoder 'ResNet51'", "ResNet50, "]),
        ({"output_stride": 4}, ["8, 16 or 32"]),
        (
            {"aspp_tap": "conv4_blok6_out"},
            [
                "ResNet50 has no layer 'conv4_blok6_out' to tap. Did you mean 'conv4_block6_out'?",
                "stage4 = conv4_block6_out (stride 16)",
                "\n  stride 2: conv1_conv, conv1_bn, conv1_relu\n",
                "conv4_block{1..6}_2_relu, conv4_block1_0_conv, ",
            ],
        ),
        ({"output_stride": 32, "aspp_tap": "stage4"}, ["has stride 16", "output_stride (=32)", "stage5 = conv5"]),
        ({"low_level_tap": "stage4"}, ["must be shallower than the aspp_tap", "'conv4_block6_out' (stride 16)"]),
        ({"low_level_tap": "conv5_block1_out"}, ["'conv5_block1_out' (stride 32)", "must be shallower"]),
        ({"low_level_tap": ("stage2", "stage3")}, ["deepest first"]),
        ({"low_level_tap": ("stage2", "stage2")}, ["must be shallower than the low-level tap"]),
        ({"aspp_tap": "conv4_block6_out_pad"}, ["no layer"]),
        ({"low_level_filters": -1}, ["greater than or equal to 0"]),
        ({"aspp_filters": 0}, ["greater than or equal to 1"]),
        ({"aspp_filters": 2.5}, ["valid integer"]),
        ({"aspp_rates": (0, 6)}, ["greater than or equal to 1"]),
        ({"aspp_rates": (-6, 6)}, ["greater than or equal to 1"]),
        ({"aspp_rates": (6, 6)}, ["strictly ascending; given: [6, 6]"]),
        ({"aspp_rates": (12, 6)}, ["strictly ascending; given: [12, 6]"]),
        ({"aspp_rates": (1, 2, 3, 4, 5, 6)}, ["at most 5 items"]),
        ({"aspp_dropout": 1.0}, ["less than 1"]),
        ({"decoder_depth": 5}, ["less than or equal to 4"]),
        ({"normalization": "layer"}, ["'batch' or 'group'"]),
        ({"activation": "gelu"}, ["activation", "Extra inputs"]),
    ],
)
def test_mistakes_are_refused(fields: dict[str, Any], messages: list[str]) -> None:
    with pytest.raises(ValidationError) as caught:
        Architecture(**fields)
    assert caught.value.error_count() == 1
    for message in messages:
        assert message in str(caught.value)


def test_all_mistakes_are_reported_at_once() -> None:
    with pytest.raises(ValidationError) as caught:
        Architecture(encoder="ResNet51", decoder_depth=9, normalization="layer")  # type: ignore[arg-type]
    assert {error["loc"][0] for error in caught.value.errors()} == {"encoder", "decoder_depth", "normalization"}


def test_any_spatial_layer_can_be_tapped() -> None:
    architecture = Architecture(aspp_tap="conv4_block5_2_relu", low_level_tap=("conv3_block1_1_conv", "conv1_bn"))
    assert architecture.aspp_tap == "conv4_block5_2_relu"
    assert architecture.low_level_tap == ("conv3_block1_1_conv", "conv1_bn")


@pytest.mark.parametrize("encoder", ["ResNet50", "EfficientNetB0", "MobileNetV3Small"])
def test_a_wrong_tap_is_answered_with_every_layer_there_is(encoder: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Architecture(encoder=encoder, aspp_tap="?")
    listed = str(caught.value).split("All its layers:\n")[1].split(" [type=")[0]
    found = {
        name: int(stride)
        for stride, names in re.findall(r"  stride (\d+): (.*)", listed)
        for shortened in re.split(r", (?![^{]*})", names)
        for name in unfolded(shortened)
    }
    assert found == natural_strides(encoder)


def unfolded(name: str) -> list[str]:
    """`block{1..3}_out` and `block2{a,c}_out` expanded into the names they stand for."""
    if "{" not in name:
        return [name]
    head, inside, tail = re.split("[{}]", name)
    if ".." not in inside:
        return [f"{head}{part}{tail}" for part in inside.split(",")]
    first, last = inside.split("..")
    numbers = (
        map(str, range(int(first), int(last) + 1)) if first.isdigit() else map(chr, range(ord(first), ord(last) + 1))
    )
    return [f"{head}{part}{tail}" for part in numbers]


def test_architectures_need_no_keras() -> None:
    code = (
        "import sys, deeplab; a = deeplab.Architecture(encoder='MobileNetV2', low_level_tap='stage2');"
        "deeplab.Architecture.from_toml(a.to_toml()); deeplab.feature_map_size((96, 128), 16);"
        "sys.exit(bool({'keras', 'tensorflow'} & sys.modules.keys()))"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[3], check=False).returncode == 0
