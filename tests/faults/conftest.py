"""What the tests of faults share, with each other and with those of the command line."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from datasets.formats import open_dataset
from search.executors.devices import share_devices
from search.study.columns import epoch_columns
from search.study.folder import Study
from search.study.objective import objective_of
from search.trial.contract import TrialSpec
from tests.integration.conftest import folder_data, folder_study, study_copy

__all__ = ["folder_data", "folder_study", "study_copy"]

DATA: dict[str, Any] = {"image_size": (64, 64), "train_images": 12, "val_images": 6, "test_images": 1}
ARCHITECTURE: dict[str, Any] = {
    "encoder": "MobileNetV2",
    "output_stride": 8,
    "aspp_tap": "block_3_project_BN",
    "low_level_filters": 8,
    "aspp_filters": 8,
    "aspp_rates": (1,),
    "aspp_dropout": 0.2,
    "decoder_depth": 1,
    "decoder_filters": 8,
}


def make_spec(folder: Path) -> TrialSpec:
    """A trial of three epochs, with dropout and augmentation, so that every source of chance is there."""
    names = open_dataset("synthetic", **DATA).class_names
    study = Study(folder / "study")
    study.trial("0000-0").mkdir(parents=True)
    return TrialSpec(
        study=str(study.folder),
        trial_id="0000-0",
        config_id="a",
        run="0000",
        parent_id=None,
        first_epoch=0,
        last_epoch=3,
        max_epochs=3,
        architecture=ARCHITECTURE,
        recipe={"batch_size": 4, "augment": "strong"},
        encoder_weights=None,
        data_format="synthetic",
        data=DATA,
        images={"train": 12, "val": 6},
        cache=str(folder / "cache"),
        data_seed=0,
        seed=5,
        objective=objective_of("val_mean_iou"),
        columns=epoch_columns(names),
        class_names=names,
        device=share_devices(1, [], 2)[0],
    )


@pytest.fixture
def spec(tmp_path: Path) -> TrialSpec:
    """A trial that nobody has started."""
    return make_spec(tmp_path)


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> TrialSpec:
    """A trial that was ended after the first of its epochs, to read only."""
    from search.trial.run import TrialRun

    spec = make_spec(tmp_path_factory.mktemp("stopped"))
    assert TrialRun(replace(spec, last_epoch=1)).run() == "completed"
    return spec
