"""Draw the network for the documentation, from a built model: `python docs/drawing.py`.

Boxes, names and shapes are read from the model's layers; only their positions are chosen here.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

from deeplab import TUTORIAL, Architecture, build_model
from deeplab.encoders import encoder_entry

PICTURE = Path(__file__).with_name("network.svg")
IMAGE_SIZE = (512, 512)
WIDTH, HEIGHT = 1120, 594
STYLE = """
  .page { fill: #ffffff; } text { fill: #1f2328; font: 12px system-ui, sans-serif; text-anchor: middle; }
  .title { font-weight: 600; } .layer { font: 10.5px ui-monospace, monospace; }
  .shape { fill: #59636e; font-size: 11px; }
  .left { text-anchor: start; } .box { stroke-width: 1.2; rx: 5px; } .panel { fill: #f6f8fa; stroke: #d1d9e0; rx: 8px; }
  .encoder { fill: #ddf4ff; stroke: #0969da; } .aspp { fill: #fff1e5; stroke: #bc4c00; }
  .decoder { fill: #dafbe1; stroke: #1a7f37; } .output { fill: #fbefff; stroke: #8250df; }
  .arrow { fill: none; stroke: #59636e; stroke-width: 1.4; marker-end: url(#head); } .head { fill: #59636e; }
  .map { fill: #ffffff; stroke: #bc4c00; } .cell { fill: #bc4c00; } .outside { fill: none; stroke: #bc4c00; }
  @media (prefers-color-scheme: dark) {
    .page { fill: #0d1117; } text { fill: #f0f6fc; } .shape { fill: #9198a1; }
    .panel { fill: #151b23; stroke: #3d444d; }
    .encoder { fill: #0c2d4d; stroke: #4493f8; } .aspp { fill: #3d2008; stroke: #f0883e; }
    .decoder { fill: #0f2f1a; stroke: #3fb950; } .output { fill: #2c1a47; stroke: #ab7df8; }
    .arrow { stroke: #9198a1; } .head { fill: #9198a1; } .map { fill: #0d1117; stroke: #f0883e; }
    .cell { fill: #f0883e; } .outside { stroke: #f0883e; }
  }"""


def drawing(architecture: Architecture, image_size: tuple[int, int], classes: int) -> str:
    """An SVG of a network with one low-level tap: encoder, ASPP and decoder, with the shapes of their feature maps."""
    model = build_model(architecture, image_size, classes)
    title = f"DeepLabV3+ on {architecture.encoder}, built at {image_size[0]}x{image_size[1]}"
    parts = [
        _panel(20, 20, 540, 310, f"Encoder: {architecture.encoder}"),
        _panel(600, 20, 500, 310, "Atrous spatial pyramid pooling"),
        _panel(20, 362, 1080, 212, "Decoder and output", indent=412),
        *_encoder(model, architecture),
        *_aspp(model),
        *_decoder(model, architecture),
    ]
    return f"""<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img">
<title>{escape(title)}</title>
<style>{STYLE}
</style>
<defs><marker id="head" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">
<path class="head" d="M0 0 8 4 0 8z"/></marker></defs>
<rect class="page" width="{WIDTH}" height="{HEIGHT}"/>
{"".join(part + chr(10) for part in parts)}</svg>
"""


def _encoder(model: Any, architecture: Architecture) -> list[str]:
    parts = [*_box(36, 62, 66, 200, "output", "image"), _text(69, 281, "RGB", "layer")]
    parts.append(_text(69, 297, _shape(model, "image"), "shape"))
    x, height = 128.0, 200
    for layer, stride in _stages(architecture):
        height -= 38
        y = 162 - height / 2
        parts += [_arrow((x - 26, 162), (x, 162)), *_box(x, y, 82, height, "encoder", f"stride {stride}")]
        parts += [_text(x + 41, 281, layer, "layer"), _text(x + 41, 297, _shape(model, layer), "shape")]
        if layer in architecture.low_level_tap:
            parts.append(_arrow((x + 41, 304), (x + 41, 392)))
        x += 108
    return [*parts, _arrow((x - 26, 162), (610, 162))]


def _stages(architecture: Architecture) -> list[tuple[str, int]]:
    """The tapped layers, and the last layers of untapped stages, with their strides, up to the ASPP's tap."""
    entry = encoder_entry(architecture.encoder)
    tapped = {entry.taps[tap]: tap for tap in (*architecture.low_level_tap, architecture.aspp_tap)}
    ends = {entry.taps[layer]: layer for layer in entry.stages.values()}
    return [(tapped.get(stride, end), stride) for stride, end in ends.items() if stride <= max(tapped)]


def _aspp(model: Any) -> list[str]:
    branches = [tensor._keras_history.operation.name for tensor in model.get_layer("aspp_concat").input]
    parts = []
    step = 262 / len(branches)
    for index, branch in enumerate(branches):
        y, height = 54 + index * step, step - 10
        middle = y + height / 2
        parts += [_path(f"M610 162V{middle:g}H636"), *_branch(model, branch, 636, y, 226, height)]
        parts.append(_arrow((862, middle), (888, middle)))
    parts += [*_box(888, 54, 22, 252, "aspp"), _text(899, 322, "concatenate", "layer")]
    projected = model.get_layer("aspp_project_conv")
    parts += [_arrow((910, 180), (938, 180)), *_box(938, 150, 146, 60, "aspp", *_says(projected))]
    parts.append(_text(1011, 227, _shape(model, "aspp_project_relu"), "shape"))
    return [*parts, _path("M1011 236V346H96V476")]


def _branch(model: Any, branch: str, x: float, y: float, width: float, height: float) -> list[str]:
    if branch == "aspp_pool_broadcast":
        kernel, filters = _says(model.get_layer("aspp_pool_conv"))
        return _box(x, y, width, height, "aspp", f"image pooling, {kernel}", filters, centre=x + 96)
    convolution = model.get_layer(branch.replace("_relu", "_conv"))
    box = _box(x, y, width, height, "aspp", *_says(convolution), centre=x + 96)
    return [*box, *_reach(convolution, x + width - 37, y + (height - 26) / 2, 26)]


def _reach(convolution: Any, x: float, y: float, side: float) -> list[str]:
    """The feature map with the cells that the convolution reads for the centre cell; hollow ones lie in the padding."""
    cells, rate, kernel = convolution.input.shape[1], convolution.dilation_rate[0], convolution.kernel_size[0]
    parts = [f'<rect class="map" x="{x:g}" y="{y:g}" width="{side:g}" height="{side:g}"/>']
    offsets = [index * rate for index in range(-(kernel // 2), kernel // 2 + 1)]
    for row in offsets:
        for column in offsets:
            seen = "cell" if max(abs(row), abs(column)) <= cells / 2 else "outside"
            cx, cy = (start + side / 2 + offset * side / cells for start, offset in ((x, column), (y, row)))
            parts.append(f'<circle class="{seen}" cx="{cx:.1f}" cy="{cy:.1f}" r="1.7"/>')
    return parts


def _decoder(model: Any, architecture: Architecture) -> list[str]:
    parts = _box(212, 392, 130, 56, "decoder", *_says(model.get_layer("low_level_conv")))
    parts += _box(36, 476, 120, 56, "decoder", *_says(model.get_layer("decoder_upsample")))
    parts += [_text(277, 463, _shape(model, "low_level_relu"), "shape")]
    parts += [_text(96, 549, _shape(model, "decoder_upsample"), "shape")]
    parts += [_arrow((342, 420), (384, 420)), _arrow((156, 504), (384, 504)), *_box(384, 392, 22, 140, "decoder")]
    parts += [_text(395, 549, "concatenate", "layer"), _text(395, 564, _shape(model, "decoder_concat"), "shape")]
    depth = range(1, architecture.decoder_depth + 1)
    row = [(f"decoder_conv{index}", f"decoder_relu{index}", "decoder") for index in depth]
    row += [(name, name, "output") for name in ("logits_conv", "logits_upsample", "probabilities")]
    pitch = (1092 - 432) / len(row)
    for index, (layer, output, style) in enumerate(row):
        x = 432 + index * pitch
        parts += [_arrow((x - 26, 462), (x, 462)), *_box(x, 434, pitch - 26, 56, style, *_says(model.get_layer(layer)))]
        parts.append(_text(x + pitch / 2 - 13, 507, _shape(model, output), "shape"))
    return parts


def _says(layer: Any) -> list[str]:
    """What a layer does, in two lines."""
    if hasattr(layer, "kernel_size"):
        (side, _), (rate, _) = layer.kernel_size, layer.dilation_rate
        return [f"{side}x{side} conv" + (f", rate {rate}" if rate > 1 else ""), _counted(layer.filters, "filter")]
    if hasattr(layer, "interpolation"):
        return ["upsampling", f"{layer.interpolation}, x{layer.size[0]}"]
    return [layer.activation.__name__]


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _shape(model: Any, layer: str) -> str:
    height, width, channels = model.get_layer(layer).output.shape[1:]
    return f"{height}x{width}x{channels}"


def _panel(x: float, y: float, width: float, height: float, title: str, indent: float = 14) -> str:
    return f"{_rect(x, y, width, height, 'panel')}{_text(x + indent, y + 22, title, 'title left')}"


def _box(
    x: float, y: float, width: float, height: float, style: str, *lines: str, centre: float | None = None
) -> list[str]:
    first = y + height / 2 + 4.5 - 8 * (len(lines) - 1)
    middle = x + width / 2 if centre is None else centre
    texts = [_text(middle, first + 16 * index, line, "shape" if index else "") for index, line in enumerate(lines)]
    return [_rect(x, y, width, height, f"box {style}"), *texts]


def _rect(x: float, y: float, width: float, height: float, style: str) -> str:
    return f'<rect class="{style}" x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}"/>'


def _text(x: float, y: float, text: str, style: str) -> str:
    return f'<text class="{style}" x="{x:g}" y="{y:g}">{escape(text)}</text>'


def _arrow(start: tuple[float, float], end: tuple[float, float]) -> str:
    return _path(f"M{start[0]:g} {start[1]:g}L{end[0]:g} {end[1]:g}")


def _path(steps: str) -> str:
    return f'<path class="arrow" d="{steps}"/>'


def current() -> str:
    """The drawing in the documentation."""
    return drawing(TUTORIAL, IMAGE_SIZE, 1)


def main() -> int:
    """Write the drawing."""
    PICTURE.write_text(current(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
