"""The `summary` command: a network as a table, part by part."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import ValidationError
from rich.table import Table

from deeplab import TUTORIAL, Architecture
from search.errors import UserError
from search.system.quiet import load_tensorflow
from search.system.toml import read_toml
from search.system.wording import billions, mebibytes, plural, short
from search.terminal import make_console

if TYPE_CHECKING:
    from deeplab import LayerCost

# Parts of the head by the beginning of their layers' names; what comes before them is the encoder.
HEAD = {"aspp_": "ASPP", "low_level": "decoder", "decoder": "decoder", "logits": "output", "probabilities": "output"}


def show_summary(path: Path | None, image_size: tuple[int, int], classes: int) -> None:
    """Print the parts of a network with their layers, shapes, parameters and multiply-accumulates.

    Args:
        path: a TOML file with an `[architecture]` table, such as `best.toml`; None for the tutorial's network.
        image_size: (height, width).
        classes: outputs; 1 for binary.

    Raises:
        UserError: the file holds no architecture, or the image is smaller than the output stride.
    """
    architecture = TUTORIAL if path is None else _read(path)
    load_tensorflow()
    from deeplab import cost, layer_costs

    try:
        layers = layer_costs(architecture, image_size, classes)
    except ValueError as error:
        raise UserError(f"--image-size: {error}") from None
    total = cost(architecture, image_size, classes)
    console = make_console()
    console.print(_title(architecture, image_size, classes), style="bold")
    console.print(_table(architecture, layers))
    fixed = total.parameters - total.trainable_parameters
    console.print(
        f"\n{total.parameters:,} parameters ({total.trainable_parameters:,} trainable, {fixed:,} fixed statistics)\n"
        f"{billions(total.macs)} multiply-accumulates for an image, "
        f"{mebibytes(total.peak_activation_bytes)} of activations in float32"
    )


def _read(path: Path) -> Architecture:
    document = read_toml(path, "architecture file")
    table = document.get("architecture", document)
    if not isinstance(table, dict) or not table.keys() & Architecture.model_fields.keys():
        raise UserError(f"{path} has no [architecture] table; expected a file such as a study's best.toml.")
    load_tensorflow()  # quietly, before a tap is looked up among the layers of its encoder
    try:
        return Architecture(**table)
    except ValidationError as error:
        problems = [f"{'.'.join(map(str, detail['loc']))}: {_reason(detail['msg'])}" for detail in error.errors()]
        raise UserError(f"{path}: [architecture] {'; '.join(problems)}") from None


def _reason(message: str) -> str:
    return message.removeprefix("Value error, ")


def _title(architecture: Architecture, image_size: tuple[int, int], classes: int) -> str:
    name = "the tutorial's network" if architecture == TUTORIAL else f"DeepLabV3+ on {architecture.encoder}"
    height, width = image_size
    return f"{name}: output stride {architecture.output_stride}, {height}x{width}, {plural(classes, 'output')}\n"


def _table(architecture: Architecture, layers: Sequence[LayerCost]) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
    for column in ("part", "what", "output", "parameters", "MACs"):
        table.add_column(column, justify="left" if column in ("part", "what") else "right", no_wrap=column != "what")
    section = ""
    for part, group in groupby(layers, key=lambda layer: layer.part):
        if part == "image":
            continue
        inside = list(group)
        if _section(part) != section:
            section = _section(part)
            of_section = [layer for layer in layers if _section(layer.part) == section and layer.part != "image"]
            what = architecture.encoder if section == "encoder" else ""
            table.add_row(section, what, "", *_sums(of_section), style="bold")
        what = inside[0].kind or ", ".join(_of_stage(architecture, part, inside))
        height, width, channels = inside[-1].shape
        table.add_row(f" {part}", what, f"{height}x{width}x{channels}", *_sums(inside))
    return table


def _section(part: str) -> str:
    return next((section for prefix, section in HEAD.items() if part.startswith(prefix)), "encoder")


def _of_stage(architecture: Architecture, part: str, layers: Sequence[LayerCost]) -> list[str]:
    """What the head taps of a stage, and the dilation that stands for its stride."""
    names = {layer.name for layer in layers}
    taps = [(architecture.aspp_tap, "ASPP"), *((tap, "decoder") for tap in architecture.low_level_tap)]
    # A stem has no stride that could become dilation.
    stride = 1 if part == "stem" else 2 ** int(part.removeprefix("stage"))
    dilated = [f"dilation {stride // architecture.output_stride}"] if stride > architecture.output_stride else []
    return dilated + [f"{reader}: {tap}" for tap, reader in taps if tap in names]


def _sums(layers: Iterable[LayerCost]) -> tuple[str, str]:
    parameters = macs = 0
    for layer in layers:
        parameters, macs = parameters + layer.parameters, macs + layer.macs
    return f"{parameters:,}" if parameters else "", short(macs) if macs else ""
