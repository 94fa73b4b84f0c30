"""`labels.toml`: what the numbers of exported models mean, written beside them and read by `predict` and `evaluate`."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from datasets import Framing, ImageReading, Orientation, Resize
from search.errors import UserError
from search.results.trained_network import TrainedTrial
from search.system.toml import read_toml, to_toml

LABELS_FILE = "labels.toml"
_COMMENT = (
    "# Class names in id order, the size (height, width) of the models in this folder, and how images are brought\n"
    "# to it (docs/study-files.md explains `resize` and `scale`).\n"
)


class ModelLabels(BaseModel):
    """What must be known of a model to use it without its study; files of version 0.1 have no `resize`."""

    model_config = ConfigDict(frozen=True)

    classes: tuple[str, ...]
    outputs: int
    image_size: tuple[int, int]
    resize: Resize = "stretch"
    scale: float = Field(default=1.0, gt=0)
    channels: int = Field(default=3, ge=1)
    value_range: tuple[float, float] | None = None
    orientation: Orientation | None = None
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


def labels_of(trial: TrainedTrial) -> ModelLabels:
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
        trial_id=trial.trial_id,
        study=trial.config.study.name,
    )


def labels_text(labels: ModelLabels) -> str:
    """The content of `labels.toml`."""
    return _COMMENT + to_toml(labels.model_dump(mode="json", exclude_none=True))


def read_labels(folder: Path) -> ModelLabels | None:
    """The labels in a folder of exported models; None if there are none. Raises UserError if they are damaged."""
    path = folder / LABELS_FILE
    if not path.exists():
        return None
    try:
        return ModelLabels.model_validate(read_toml(path, "the labels"))
    except ValidationError as error:
        key = ".".join(map(str, error.errors()[0]["loc"]))
        raise UserError(
            f"{path}: {key}: {error.errors()[0]['msg']}. Export the model again, or move this file away."
        ) from None
