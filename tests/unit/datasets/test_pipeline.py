"""Batches: exact, repeatable epochs; nothing is lost and nothing invented."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import time
from collections.abc import Iterable
from itertools import chain
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from datasets import DataError, Dataset, Framing
from datasets.cache import build_cache, bytes_per_image
from datasets.formats import open_dataset
from datasets.pipeline import Pipeline

ROOT = Path(__file__).parents[3]


def make(dataset: Dataset, split: str = "train", **options: object) -> Pipeline:
    given_options = {"batch_size": 4, "training": split == "train"} | options
    return Pipeline(dataset, split, **given_options)  # type: ignore[arg-type]


def order(batches: Iterable[tuple[tf.Tensor, tf.Tensor]]) -> list[list[int]]:
    """The images of each batch of a `MemoryDataset`, each of which has its own number as its colour."""
    return [images.numpy()[:, 0, 0, 0].tolist() for images, _ in batches]


def digest(pipeline: Pipeline, epoch: int) -> str:
    result = hashlib.sha256()
    for images, masks in pipeline.epoch(epoch):
        result.update(images.numpy().tobytes() + masks.numpy().tobytes())
    return result.hexdigest()


@settings(max_examples=25, deadline=None)
@given(images=st.integers(1, 30), batch_size=st.integers(1, 12), epoch=st.integers(0, 2**31))
def test_epochs_are_exact(memory_dataset, images: int, batch_size: int, epoch: int) -> None:
    data = memory_dataset({"train": images, "val": images})
    train = make(data, batch_size=batch_size)
    batches = order(train.epoch(epoch))
    assert len(batches) == train.steps == max(1, images // batch_size)
    assert {len(batch) for batch in batches} == {min(images, batch_size)}
    drawn = list(chain(*batches))
    assert len(set(drawn)) == len(drawn)
    val = make(data, "val", batch_size=batch_size)
    batches = order(val.epoch(epoch))
    assert len(batches) == val.steps == -(-images // batch_size)
    assert list(chain(*batches)) == list(range(images))


def test_training_is_reshuffled_and_leaves_out_others_each_epoch(memory_dataset) -> None:
    pipeline = make(memory_dataset({"train": 10}))
    epochs = [list(chain(*order(pipeline.epoch(epoch)))) for epoch in range(12)]
    assert len({tuple(epoch) for epoch in epochs}) == 12
    assert set(chain(*epochs)) == set(range(10))
    assert all(len(epoch) == 8 for epoch in epochs)
    assert len({frozenset(epoch) for epoch in epochs}) > 6


def test_seeds_differ_and_seed_zero_counts(memory_dataset) -> None:
    data = memory_dataset({"train": 30})
    orders = [str(order(make(data, seed=seed).epoch(1))) for seed in (0, 1, 0)]
    assert orders[0] != orders[1]
    assert orders[0] == orders[2]


def test_masks_stay_with_their_images(memory_dataset) -> None:
    for images, masks in make(memory_dataset({"train": 20})).epoch(0):
        assert np.array_equal(masks.numpy(), images.numpy()[..., 0] % 2)


def test_batches_are_bytes_of_unknown_number_and_known_size(memory_dataset) -> None:
    data = memory_dataset({"train": 9})
    data.framing = Framing((12, 10))
    pipeline = make(data, augment="strong")
    epoch = pipeline.epoch(0)
    assert epoch.element_spec == (
        tf.TensorSpec((None, 12, 10, 3), tf.uint8),
        tf.TensorSpec((None, 12, 10), tf.uint8),
    )
    assert epoch.cardinality() == pipeline.steps
    assert (pipeline.images, pipeline.steps) == (9, 2)


@pytest.mark.parametrize("augment", ["none", "strong"])
def test_an_epoch_repeats_in_a_fresh_process_whatever_ran_before(augment: str) -> None:
    data = open_dataset("synthetic", image_size=(32, 48), train_images=10)
    pipeline = make(data, augment=augment, seed=5)
    for epoch in (1, 2):
        digest(pipeline, epoch)
    next(iter(pipeline.epoch(7)))
    tf.random.set_seed(1)
    here = digest(pipeline, 3)
    program = f"""
import sys
sys.path[:0] = [{str(ROOT)!r}, {str(Path(__file__).parent)!r}]
import tensorflow as tf
tf.config.threading.set_inter_op_parallelism_threads(1)
from datasets import open_dataset
from test_pipeline import digest, make
data = open_dataset("synthetic", image_size=(32, 48), train_images=10)
print(digest(make(data, augment={augment!r}, seed=5), 3))
"""
    environment = os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"}
    there = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True, env=environment, timeout=120
    )
    assert there.stdout.strip() == here
    assert here != digest(pipeline, 4)


@pytest.mark.parametrize("augment", ["none", "strong"])
def test_cached_images_give_the_same_batches(make_folder, tmp_path: Path, augment: str) -> None:
    source = open_dataset("folder", path=make_folder({"train": 6, "val": 2}), image_size=(20, 24))
    room = 5 * bytes_per_image(source)  # one image of the split is not cached
    cached = build_cache(tmp_path / "cache", source, room)
    for epoch in range(2):
        assert digest(make(cached, augment=augment), epoch) == digest(make(source, augment=augment), epoch)


def test_images_and_masks_are_resized(make_folder) -> None:
    data = open_dataset("folder", path=make_folder(values=(2,)), image_size=(10, 14))
    (images, masks), *_ = make(data, "val").epoch(0)
    assert tuple(images.shape) == (2, 10, 14, 3)
    assert set(np.unique(masks)) == {2}
    assert 90 < images.numpy().mean() < 165


def test_one_image_is_read_as_the_batches_have_it(memory_dataset) -> None:
    pipeline = make(memory_dataset({"val": 5}), "val")
    images, masks = (np.concatenate(arrays) for arrays in zip(*pipeline.epoch(1).as_numpy_iterator(), strict=True))
    for index in (0, 3, 4):
        image, mask = pipeline.read(index)
        assert (image == images[index]).all()
        assert (mask == masks[index]).all()
    assert tuple(pipeline.epoch(1).element_spec) == pipeline.element_spec


def test_validation_is_never_augmented(memory_dataset) -> None:
    data = memory_dataset({"val": 5})
    assert digest(make(data, "val", augment="strong"), 1) == digest(make(data, "val"), 2)


def test_starting_an_epoch_is_cheap() -> None:
    data = open_dataset("synthetic", image_size=(32, 32), train_images=64)
    pipeline = make(data, augment="strong")
    list(pipeline.epoch(0))
    started = time.perf_counter()
    for epoch in range(10):
        pipeline.epoch(epoch)
    assert (time.perf_counter() - started) / 10 < 0.3


def test_an_unreadable_image_stops_the_epoch_and_is_named(make_folder) -> None:
    root = make_folder()
    data = open_dataset("folder", path=root, image_size=(24, 32))
    (root / "train/images/train0.png").write_bytes(b"")
    with pytest.raises(tf.errors.OpError, match=r"Cannot read image .*train0\.png"):
        list(make(data).epoch(0))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batch_size": 0}, "batch_size must be at least 1; got 0"),
        ({"augment": "wild"}, "none, flip, standard, strong, scale; got 'wild'"),
        ({"seed": -1}, "seed must not be negative; got -1"),
        ({"split": "test"}, "no images in split 'test'; available splits: train"),
    ],
)
def test_settings_out_of_range_are_refused(memory_dataset, options: dict[str, object], message: str) -> None:
    with pytest.raises(DataError, match=message):
        make(memory_dataset({"train": 3}), **options)  # type: ignore[arg-type]
