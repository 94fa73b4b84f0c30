"""Random architectures: arbitrary ones for tests on plain data, small ones for tests that build them."""

from __future__ import annotations

from typing import Literal

from hypothesis import strategies as st

from deeplab import ENCODERS, Architecture
from deeplab.encoders import encoder_entry


@st.composite
def architectures(draw: st.DrawFn, encoders: tuple[str, ...] = ENCODERS, max_filters: int = 512) -> Architecture:
    filters = st.integers(1, max_filters)
    output_stride: Literal[8, 16, 32] = draw(st.sampled_from([8, 16, 32]))
    aspp_tap = draw(st.sampled_from([f"stage{index}" for index in range(3, 6) if 2**index >= output_stride]))
    encoder = draw(st.sampled_from(encoders))
    shallower = [stage for stage in encoder_entry(encoder).stages if stage < aspp_tap]
    taps = draw(st.lists(st.sampled_from(shallower), min_size=1, max_size=3, unique=True))
    return Architecture(
        encoder=encoder,
        output_stride=output_stride,
        aspp_tap=aspp_tap,
        low_level_filters=draw(st.just(0) | filters),
        low_level_tap=tuple(sorted(taps, reverse=True)),
        aspp_filters=draw(filters),
        aspp_rates=tuple(sorted(draw(st.sets(st.integers(1, 40), max_size=5)))),
        aspp_pooling=draw(st.booleans()),
        aspp_separable=draw(st.booleans()),
        aspp_dropout=draw(st.floats(0, 0.9)),
        decoder_depth=draw(st.integers(0, 4)),
        decoder_filters=draw(filters),
        decoder_separable=draw(st.booleans()),
        decoder_double_relu=draw(st.booleans()),
        normalization=draw(st.sampled_from(["batch", "group"])),
    )
