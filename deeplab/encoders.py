"""The encoder table: what this package knows about each keras.applications network. Does not import Keras.

A new encoder needs only one entry. Tests check for each entry that the taps exist with the strides given here, that
ImageNet weights load at every output stride, and that the dilated network computes the same as the strided one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal

OUTPUT_STRIDES = (8, 16, 32)

Preprocessing = Literal["caffe", "tf", "tf128", "torch"]


@dataclass(frozen=True)
class Encoder:
    """One keras.applications network as an encoder.

    Attributes:
        name: constructor in `keras.applications`.
        taps: common tap layers and their natural strides, shallowest first. The last one at each stride is a stage:
            `stage1` has stride 2, `stage5` stride 32.
        low_level: default low-level taps, deepest first.
        preprocessing: how an RGB image in 0-255 is scaled, in the terms of keras.applications: "caffe" (BGR, mean
            subtracted), "tf" (x / 127.5 - 1), "tf128" (x / 128 - 1), "torch" (0..1, mean and deviation normalised).
        arguments: further arguments of the constructor. Networks that can scale images themselves are told not to,
            because the zeros that pad an image must be added after the scaling.
        start: the first layer used, if the constructor has no option to leave out those before it.
        stem_padding: rows and columns of zeros before and after the (scaled) image, as "same" padding would add them,
            for a stem without padding, whose maps would otherwise be smaller than side / stride.
    """

    name: str
    taps: Mapping[str, int]
    low_level: tuple[str, ...]
    preprocessing: Preprocessing
    arguments: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    start: str | None = None
    stem_padding: tuple[int, int] = (0, 0)

    @property
    def stages(self) -> dict[str, str]:
        """`stage1` .. `stage5` -> the last layer at stride 2, 4, 8, 16, 32, for those strides that the network has."""
        last = {stride: layer for layer, stride in self.taps.items()}
        return {f"stage{index}": last[2**index] for index in range(1, 6) if 2**index in last}

    def default_aspp_tap(self, output_stride: int) -> str:
        """The last layer of stage 4, as in the tutorial; of stage 5 if the output stride is 32."""
        return self.stages["stage5" if output_stride == 32 else "stage4"]


def _entry(
    name: str,
    preprocessing: Preprocessing,
    *stages: str,
    start: str | None = None,
    stem_padding: tuple[int, int] = (0, 0),
    **arguments: Any,
) -> Encoder:
    """An entry from the encoder's last layers at strides .., 4, 8, 16, 32."""
    taps = {layer: 2 ** (5 - place) for place, layer in enumerate(reversed(stages))}
    return Encoder(
        name=name,
        taps=MappingProxyType(dict(reversed(taps.items()))),
        low_level=(stages[-4],),
        preprocessing=preprocessing,
        arguments=MappingProxyType(arguments),
        start=start,
        stem_padding=stem_padding,
    )


def _resnet(depth: int, stage3: int, stage4: int) -> Encoder:
    """He et al. 2016. The tutorial's low-level tap is not the last block of stage 2 but the one before it."""
    taps = {"conv1_relu": 2, "conv2_block2_out": 4, "conv2_block3_out": 4, f"conv3_block{stage3}_out": 8}
    taps |= {f"conv4_block{stage4}_out": 16, "conv5_block3_out": 32}
    return Encoder(f"ResNet{depth}", MappingProxyType(taps), ("conv2_block2_out",), "caffe")


def _resnet_v2(depth: int, stage3: int, stage4: int) -> Encoder:
    """In Keras, a stage's last block has the stride, so the stage's feature map is that block's pre-activation."""
    last = [f"conv{stage}_block{block}_preact_relu" for stage, block in ((2, 3), (3, stage3), (4, stage4))]
    return _entry(f"ResNet{depth}V2", "tf", "conv1_conv", *last, "post_relu")


def _efficientnet(name: str, *blocks: str) -> Encoder:
    # Keras adds a scaling layer if and only if ImageNet weights are requested, so the same weights from a file would
    # belong to another network. The layers before the stem are therefore left out, and scaling is preprocessing.
    return _entry(name, "torch", *blocks, "top_activation", start="stem_conv_pad")


def _efficientnet_v2(name: str, *blocks: str) -> Encoder:
    scaling: Preprocessing = "torch" if name[-2] == "B" else "tf128"
    return _entry(name, scaling, *blocks, "top_activation", include_preprocessing=False)


def _convnext(name: str, *blocks: int) -> Encoder:
    last = [f"encoder_add_{block}" for block in blocks]
    return _entry(name, "torch", *last, "encoder_layer_normalization_0", include_preprocessing=False)


_ENTRIES = (
    _resnet(50, 4, 6),
    _resnet(101, 4, 23),
    _resnet(152, 8, 36),
    _resnet_v2(50, 4, 6),
    _resnet_v2(101, 4, 23),
    _resnet_v2(152, 8, 36),
    _entry("MobileNet", "tf", *(f"conv_pw_{block}_relu" for block in (1, 3, 5, 11, 13))),
    _entry("MobileNetV2", "tf", "expanded_conv_project_BN", "block_2_add", "block_5_add", "block_12_add", "out_relu"),
    _entry(
        "MobileNetV3Small",
        "tf",
        "encoder_activation_0",
        "expanded_conv_project_bn",
        "expanded_conv_2_add",
        "expanded_conv_7_add",
        "encoder_activation_17",
        include_preprocessing=False,
    ),
    _entry(
        "MobileNetV3Large",
        "tf",
        "expanded_conv_add",
        "expanded_conv_2_add",
        "expanded_conv_5_add",
        "expanded_conv_11_add",
        "encoder_activation_19",
        include_preprocessing=False,
    ),
    _efficientnet("EfficientNetB0", "block1a_project_bn", "block2b_add", "block3b_add", "block5c_add"),
    _efficientnet("EfficientNetB1", "block1b_add", "block2c_add", "block3c_add", "block5d_add"),
    _efficientnet("EfficientNetB2", "block1b_add", "block2c_add", "block3c_add", "block5d_add"),
    _efficientnet("EfficientNetB3", "block1b_add", "block2c_add", "block3c_add", "block5e_add"),
    _efficientnet("EfficientNetB4", "block1b_add", "block2d_add", "block3d_add", "block5f_add"),
    _efficientnet_v2("EfficientNetV2B0", "block1a_project_activation", "block2b_add", "block3b_add", "block5e_add"),
    _efficientnet_v2("EfficientNetV2B1", "block1b_add", "block2c_add", "block3c_add", "block5f_add"),
    _efficientnet_v2("EfficientNetV2B2", "block1b_add", "block2c_add", "block3c_add", "block5f_add"),
    _efficientnet_v2("EfficientNetV2B3", "block1b_add", "block2c_add", "block3c_add", "block5g_add"),
    _efficientnet_v2("EfficientNetV2S", "block1b_add", "block2d_add", "block3d_add", "block5i_add"),
    _entry("DenseNet121", "torch", "conv1_relu", "pool2_relu", "pool3_relu", "pool4_relu", "relu"),
    _entry("DenseNet169", "torch", "conv1_relu", "pool2_relu", "pool3_relu", "pool4_relu", "relu"),
    _convnext("ConvNeXtTiny", 2, 5, 14),
    _convnext("ConvNeXtSmall", 2, 5, 32),
    _entry(
        "Xception",
        "tf",
        "block1_conv2_act",
        "block3_sepconv2_bn",  # the low-level features of Chen et al. 2018, section 4.2
        "encoder_add_1",
        "encoder_add_10",
        "block14_sepconv2_act",
        stem_padding=(2, 3),  # two 3x3 convolutions that act as one of 7x7 with stride 2
    ),
    _entry(
        "NASNetMobile",
        "tf",
        "stem_bn1",
        "reduction_concat_stem_1",
        "normal_concat_3",
        "normal_concat_8",
        "encoder_activation_187",
        stem_padding=(0, 1),
        input_shape=(64, 64, 3),  # any known size: the constructor compares the sizes of maps
    ),
)

ENCODER_TABLE: Mapping[str, Encoder] = MappingProxyType({entry.name: entry for entry in _ENTRIES})
ENCODERS: tuple[str, ...] = tuple(ENCODER_TABLE)


def encoder_entry(name: str) -> Encoder:
    """The table's entry for an encoder.

    Raises:
        ValueError: there is no encoder with that name; the message lists those available.
    """
    if name not in ENCODER_TABLE:
        raise ValueError(f"unknown encoder {name!r}; available: {', '.join(ENCODERS)}")
    return ENCODER_TABLE[name]
