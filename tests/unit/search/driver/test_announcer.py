"""What a search says when it stops."""

from __future__ import annotations

import keras_tuner

from search.driver.announcer import nothing_completed
from search.oracle.trials import StudyTrial


def test_what_other_settings_need_is_a_new_study() -> None:
    """A study refuses to continue with another objective or other data, so trying again is not promised for them."""
    trial = StudyTrial(keras_tuner.HyperParameters(), trial_id="0000-0", status="FAILED")
    trial.record = {"error": "val_iou_road was never a number"}
    said = nothing_completed([trial], "log.txt")
    assert "val_iou_road was never a number" in said
    assert "If other settings or other data are needed, start anew with --fresh" in said
