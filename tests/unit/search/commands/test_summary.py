"""The `summary` command: every part of a network once, with totals that are its cost."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from deeplab import Architecture, cost
from search.commands.summary import show_summary
from search.errors import UserError
from tests.unit.deeplab.strategies import architectures


def shown(capsys: Any, path: Path | None, size: tuple[int, int], classes: int) -> str:
    capsys.readouterr()
    show_summary(path, size, classes)
    return str(capsys.readouterr().out)


@pytest.fixture(autouse=True)
def _wide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")


def parameters(text: str, *, sections: bool) -> int:
    """Sum of the column `parameters`, of the sections or of the parts in them."""
    rows = [line for line in text.splitlines() if re.match(r"(?!part)[a-zA-Z]" if sections else " [a-z]", line)]
    counts = [re.search(r" (\d[\d,]*) +[\d.]+( [kMGT])?$", row.rstrip()) for row in rows]
    return sum(int(count[1].replace(",", "")) for count in counts if count)


def test_the_tutorial_without_a_file(capsys: Any) -> None:
    text = shown(capsys, None, (512, 512), 1)
    assert text.startswith("the tutorial's network: output stride 16, 512x512, 1 output\n")
    assert "17,830,209 parameters (17,795,425 trainable" in text
    for row in (
        r"^encoder +ResNet50 +8,589,184 +16\.3 G$",
        r"^ stage2 +decoder: conv2_block2_out +128x128x256 ",
        r"^ stage4 +ASPP: conv4_block6_out +32x32x1024 ",
        r"^ aspp_rate12_conv +3x3, rate 12 +32x32x256 +2,360,320 +2\.42 G$",
        r"^ low_level_conv +1x1 +128x128x48 +12,480 ",
        r"^ probabilities +sigmoid +512x512x1$",
    ):
        assert any(re.search(row, line.rstrip()) for line in text.splitlines()), row


# Hypothesis resets what a test prints by itself: the fixture only reads it.
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(architecture=architectures(("MobileNetV2",)), classes=st.integers(1, 4))
def test_sections_parts_and_total_agree_with_the_cost(
    architecture: Architecture, classes: int, tmp_path_factory: pytest.TempPathFactory, capsys: Any
) -> None:
    path = tmp_path_factory.mktemp("summary") / "best.toml"
    path.write_text("[result]\nscore = 1\n\n" + architecture.to_toml())
    text = shown(capsys, path, (64, 96), classes)
    expected = cost(architecture, (64, 96), classes)
    assert f"\n{expected.parameters:,} parameters ({expected.trainable_parameters:,} trainable" in text
    assert parameters(text, sections=True) == expected.parameters
    assert parameters(text, sections=False) == expected.parameters
    taps = [(architecture.aspp_tap, "ASPP"), *((tap, "decoder") for tap in architecture.low_level_tap)]
    assert all(f"{reader}: {tap}" in text for tap, reader in taps)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "a.toml does not exist."),
        ("encoder = ", "a.toml is not TOML"),
        ("[study]\nname = 'x'\n", "a.toml has no [architecture] table; expected a file such as a study's best.toml."),
        ("architecture = 3", "a.toml has no [architecture] table"),
        ("output_stride = 4", "a.toml: [architecture] output_stride: Input should be 8, 16 or 32"),
        ("aspp_rates = [6, 6]", "a.toml: [architecture] aspp_rates: dilation rates must be strictly ascending"),
        (
            "encoder = 'VGG16'\ndecoder_depth = 9",
            "a.toml: [architecture] encoder: unknown encoder 'VGG16'; available: ",
        ),
    ],
)
def test_a_file_without_an_architecture_is_refused(tmp_path: Path, content: str | None, message: str) -> None:
    path = tmp_path / "a.toml"
    if content is not None:
        path.write_text(content)
    with pytest.raises(UserError) as refused:
        show_summary(path, (64, 64), 1)
    assert message in str(refused.value)
    assert "\n" not in str(refused.value)


def test_an_image_below_the_output_stride_is_refused() -> None:
    with pytest.raises(UserError, match=r"--image-size: .*\(8, 64\).*output_stride \(=16\)"):
        show_summary(None, (8, 64), 1)


def test_dilated_stages_say_so(tmp_path: Path, capsys: Any) -> None:
    path = tmp_path / "a.toml"
    path.write_text(Architecture(encoder="MobileNetV2", output_stride=8, aspp_tap="stage5").to_toml())
    text = shown(capsys, path, (64, 64), 1)
    assert "dilation 2 " in text
    assert "dilation 4, ASPP: out_relu" in text
    assert "dilation" not in shown(capsys, None, (64, 64), 1)
