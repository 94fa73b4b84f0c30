"""`labels.toml`: what the numbers of exported models mean, written beside them and read by `predict` and `evaluate`."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from datasets import Framing, ImageReading, Orientation, Resize
from datasets.colors import class_colors
from search.errors import UserError
from search.results.trained_network import TrainedTrial
from search.system.toml import read_toml, to_toml

# As in `deeplab.build_model`, which would load Keras.
Output = Literal["logits", "probabilities", "class_ids"]
LABELS_FILE = "labels.toml"
_COMMENT = (
    "# Class names in id order, the size (height, width) of the models in this folder, and how images are brought\n"
    "# to it (docs/study-files.md explains `resize` and `scale`).\n"
)
PREPROCESSING = "none: the model takes values 0 to 255 (of three channels: red, green, blue) and scales them itself"


class ModelLabels(BaseModel):
    """What must be known of a model to use it without its study; files of version 0.1 have no `resize`.

    Attributes:
        outputs: number of probabilities, or logits, of each pixel; 1 for binary data.
        output: what the model gives for each pixel.
        dynamic: whether it takes images of any size; `image_size` is the one it was trained at.
        mirror: pairs of class ids that change places when an image is mirrored; None if that is not known.
    """

    model_config = ConfigDict(frozen=True)

    classes: tuple[str, ...]
    outputs: int
    image_size: tuple[int, int]
    resize: Resize = "stretch"
    scale: float = Field(default=1.0, gt=0)
    channels: int = Field(default=3, ge=1)
    value_range: tuple[float, float] | None = None
    orientation: Orientation | None = None
    output: Output = "probabilities"
    dynamic: bool = False
    colors: tuple[str, ...] = ()
    preprocessing: str = PREPROCESSING
    mirror: tuple[tuple[int, int], ...] | None = None
    trial_id: str = ""
    study: str = ""

    @property
    def framing(self) -> Framing:
        """How images are brought to the model's input."""
        return Framing(self.image_size, self.resize, self.scale)

    @property
    def reading(self) -> ImageReading:
        """How image files become what the model takes."""
        return ImageReading(self.channels, self.value_range, self.orientation)


def labels_of(
    trial: TrainedTrial,
    *,
    output: Output = "probabilities",
    dynamic: bool = False,
    mirror: tuple[tuple[int, int], ...] | None = None,
) -> ModelLabels:
    """What the models of a trial need beside them."""
    data = trial.config.data
    return ModelLabels(
        classes=trial.class_names,
        outputs=trial.outputs,
        image_size=data.image_size,
        resize=data.resize,
        scale=data.scale,
        channels=data.channels,
        value_range=data.value_range,
        orientation=data.orientation,
        output=output,
        dynamic=dynamic,
        colors=tuple(f"#{red:02x}{green:02x}{blue:02x}" for red, green, blue in class_colors(len(trial.class_names))),
        mirror=mirror,
        trial_id=trial.trial_id,
        study=trial.config.study.name,
    )


def labels_table(labels: ModelLabels) -> dict[str, Any]:
    """The labels as plain data, without what is not known."""
    return labels.model_dump(mode="json", exclude_none=True)


def labels_text(labels: ModelLabels) -> str:
    """The content of `labels.toml`."""
    return _COMMENT + to_toml(labels_table(labels))


def read_labels(folder: Path) -> ModelLabels | None:
    """The labels in a folder of exported models; None if there are none. Raises UserError if they are damaged."""
    path = folder / LABELS_FILE
    if not path.exists():
        return None
    return parse_labels(read_toml(path, "the labels"), str(path))


def parse_labels(table: Any, source: str) -> ModelLabels:
    """The labels in a table. Raises UserError if something else is in it; `source` names it."""
    try:
        return ModelLabels.model_validate(table)
    except ValidationError as error:
        key = ".".join(map(str, error.errors()[0]["loc"]))
        raise UserError(
            f"{source}: {key}: {error.errors()[0]['msg']}. Export the model again, or move this file away."
        ) from None
