"""The encoder table: what this package knows of each keras.applications network. Importing it imports no Keras.

A new encoder is one entry. Its contract is tested entry by entry: the taps exist with the strides given here, ImageNet
weights fit at every output stride, and the dilated network computes what the strided one did.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal

OUTPUT_STRIDES = (8, 16, 32)

Preprocessing = Literal["caffe", "tf", "torch", "none"]


@dataclass(frozen=True)
class Encoder:
    """One keras.applications network as an encoder.

    Attributes:
        name: constructor in `keras.applications`.
        taps: well-known tap layers and their natural strides, shallowest first. The last one of each stride is a stage:
            `stage1` has stride 2, `stage5` stride 32.
        low_level: default low-level taps, deepest first.
        preprocessing: what the network expects of an RGB image in 0-255, in the terms of keras.applications: "caffe"
            (BGR, mean subtracted), "tf" (-1..1), "torch" (0..1, normalised), "none" (0-255, it scales by itself).
        arguments: further arguments of the constructor.
    """

    name: str
    taps: Mapping[str, int]
    low_level: tuple[str, ...]
    preprocessing: Preprocessing
    arguments: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def stages(self) -> dict[str, str]:
        """`stage1` .. `stage5` -> the last layer at stride 2, 4, 8, 16, 32."""
        last = {stride: layer for layer, stride in self.taps.items()}
        return {f"stage{index}": last[2**index] for index in range(1, 6)}

    def default_aspp_tap(self, output_stride: int) -> str:
        """The end of stage 4, as in the tutorial; of stage 5 where the output stride is 32."""
        return self.stages["stage5" if output_stride == 32 else "stage4"]


def _entry(
    name: str,
    taps: dict[str, int],
    preprocessing: Preprocessing,
    low_level: str | None = None,
    **arguments: Any,
) -> Encoder:
    last_at_stride_4 = [layer for layer, stride in taps.items() if stride == 4][-1]
    return Encoder(
        name=name,
        taps=MappingProxyType(taps),
        low_level=(low_level or last_at_stride_4,),
        preprocessing=preprocessing,
        arguments=MappingProxyType(arguments),
    )


_ENTRIES = (
    _entry(
        "ResNet50",
        {
            "conv1_relu": 2,
            "conv2_block2_out": 4,
            "conv2_block3_out": 4,
            "conv3_block4_out": 8,
            "conv4_block6_out": 16,
            "conv5_block3_out": 32,
        },
        "caffe",
        low_level="conv2_block2_out",
    ),
    _entry(
        "MobileNetV2",
        {"expanded_conv_project_BN": 2, "block_2_add": 4, "block_5_add": 8, "block_12_add": 16, "out_relu": 32},
        "tf",
    ),
)

ENCODER_TABLE: Mapping[str, Encoder] = MappingProxyType({entry.name: entry for entry in _ENTRIES})
ENCODERS: tuple[str, ...] = tuple(ENCODER_TABLE)


def encoder_entry(name: str) -> Encoder:
    """The table's entry of an encoder.

    Raises:
        ValueError: there is none of that name; the message lists those there are.
    """
    if name not in ENCODER_TABLE:
        raise ValueError(f"unknown encoder {name!r}; available: {', '.join(ENCODERS)}")
    return ENCODER_TABLE[name]
