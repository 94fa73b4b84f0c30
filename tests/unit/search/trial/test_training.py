"""Training one configuration in this process."""

from __future__ import annotations

import pytest

from datasets.formats import open_dataset
from deeplab import Architecture
from recipe import Recipe

tf = pytest.importorskip("tensorflow")

TINY = Architecture(
    encoder="MobileNetV2",
    output_stride=8,
    aspp_tap="block_3_project_BN",
    aspp_rates=(2,),
    aspp_filters=8,
    decoder_depth=0,
)


def test_one_trace_for_training_and_one_for_validation_whatever_the_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    from deeplab.losses import MaskedCrossentropy
    from search.trial.training import Trainer

    traces: list[str] = []
    call = MaskedCrossentropy.call

    def counted(self: MaskedCrossentropy, y_true: object, y_pred: object) -> object:
        traces.append(tf.compat.v1.get_default_graph().name if not tf.executing_eagerly() else "eager")
        return call(self, y_true, y_pred)

    monkeypatch.setattr(MaskedCrossentropy, "call", counted)
    # Validation ends in a smaller batch.
    dataset = open_dataset("synthetic", image_size=(32, 32), train_images=8, val_images=6)
    trainer = Trainer(
        TINY, Recipe(batch_size=4, augment="none"), dataset, (32, 32), max_epochs=3, encoder_weights=None, seed=1
    )
    trainer.train_epoch(1)
    first = len(traces)
    trainer.train_epoch(2)
    assert (first, len(traces), "eager" in traces) == (2, 2, False), traces
