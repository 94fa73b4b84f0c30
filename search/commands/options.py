"""Options of commands; arguments that several commands take are in `arguments`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from search.commands.arguments import path_of
from search.exporters import EXPORTERS

ArchitectureFile = Annotated[
    Path, typer.Option("--architecture", metavar="FILE", help="A study's best.toml, or like it.", parser=path_of)
]
Epochs = Annotated[int | None, typer.Option(min=1, help="Epochs to train.  \\[default: the study's max_epochs]")]
TrainTo = Annotated[
    Path | None, typer.Option(metavar="DIR", help="The folder.  \\[default: results/NAME-train]", parser=path_of)
]
TrainFresh = Annotated[bool, typer.Option("--fresh", help="Move an old folder aside and start anew.")]
Split = Annotated[str, typer.Option(help="The split to predict: train, val or test.")]
EvaluateTo = Annotated[
    Path | None,
    typer.Option(
        metavar="PATH",
        help="Also write scores.json, confusion.csv, images.csv and the worst images into this folder.",
        parser=path_of,
    ),
]
SummaryFile = Annotated[
    Path | None,
    typer.Argument(metavar="FILE", help="A TOML file with an architecture, such as best.toml.", parser=path_of),
]
ImageSize = Annotated[tuple[int, int], typer.Option(metavar="H W", help="Height and width of the images.")]
Outputs = Annotated[int, typer.Option(min=1, help="Outputs of the network; 1 for binary.")]
Formats = Annotated[str, typer.Option("--format", help=f"Comma-separated: {', '.join(EXPORTERS)}; or: all.")]
Output = Annotated[str, typer.Option(metavar="WHAT", help="What the models give: probabilities, logits or class_ids.")]
Size = Annotated[str, typer.Option(metavar="fixed|dynamic", help="Images of the size trained, or of any size.")]
ExportTo = Annotated[
    Path | None, typer.Option(metavar="PATH", help="Where the files go.  \\[default: DIR/export]", parser=path_of)
]
Overwrite = Annotated[
    bool, typer.Option("--overwrite", help="Replace the export of another trial, and files of others.")
]
Benchmark = Annotated[
    bool, typer.Option("--benchmark", help="Also measure the speed of each file, on one core and on all.")
]
Images = Annotated[
    list[Path],
    typer.Argument(
        metavar="IMAGE...", help="Images, folders of images, or quoted patterns: 'a/**/*.jpg'.", parser=path_of
    ),
]
PredictTo = Annotated[Path, typer.Option(metavar="PATH", help="Where masks and overlays go.", parser=path_of)]
Tile = Annotated[
    str,
    typer.Option(
        metavar="auto|off|N",
        help="Predict in overlapping tiles: auto if the model was trained on crops; N is a tile's shorter side, in "
        "pixels of the image.",
    ),
]
Recursive = Annotated[bool, typer.Option("--recursive", help="Also the folders in folders, and theirs.")]
Legend = Annotated[bool, typer.Option("--legend", help="Name the classes below each overlay, with their colours.")]
KeepProbabilities = Annotated[
    bool, typer.Option("--probabilities", help="Also write the probabilities of all classes, as STEM.npz.")
]
Batch = Annotated[int, typer.Option(min=1, help="Images, or tiles of one image, per call of the network.")]
Flip = Annotated[bool, typer.Option("--flip", help="Also predict each image mirrored, and average.")]
Scales = Annotated[str, typer.Option(help="Comma-separated scales at which to predict, and average.")]
Fresh = Annotated[bool, typer.Option("--fresh", help="Move an old study of this name aside and start anew.")]
Verbose = Annotated[
    bool, typer.Option("--verbose", help="Also show what the driver decides, and why; driver.log always has it.")
]
