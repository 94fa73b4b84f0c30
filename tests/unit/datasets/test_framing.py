"""Framing, tiles and whole-image prediction: every pixel comes from where it should."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from datasets import Dataset, Framing, Sample, resize_image, resize_mask
from datasets.cache import build_cache, cache_folder, open_cache
from datasets.crops import RandomCrops
from datasets.inference import predict, predict_bands, predict_framed, predict_ids
from datasets.pipeline import Pipeline
from datasets.tiles import FloatArray, TiledAxis

SIZES = st.tuples(st.integers(1, 90), st.integers(1, 90))


def random_image(size: tuple[int, int], channels: int = 3, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (*size, channels), dtype=np.uint8)


def numbered(sizes: list[tuple[int, int]], channels: int = 3) -> list[Sample]:
    """Images whose mask is made of their first channel, so that both can be compared anywhere."""
    images = [random_image(size, channels, seed) for seed, size in enumerate(sizes)]
    return [Sample(image, image[..., 0] % 3, f"image{place}") for place, image in enumerate(images)]


def brightness(tiles: np.ndarray) -> FloatArray:
    """A network that looks at each pixel alone."""
    return (tiles[..., :1] / 255).astype(np.float32)


@given(size=SIZES)
def test_stretched_images_fill_the_input(size: tuple[int, int]) -> None:
    framing, image = Framing((32, 48)), random_image(size)
    assert np.array_equal(framing.image(image), resize_image(image, (32, 48)))
    assert np.array_equal(framing.mask(image[..., 0], 255), resize_mask(image[..., 0], (32, 48)))


@given(size=SIZES)
def test_padded_images_keep_their_shape_and_the_rest_is_ignored(size: tuple[int, int]) -> None:
    framing, image = Framing((32, 48), "pad"), random_image(size)
    height, width = framing.content(size)
    assert (height == 32 and width <= 48) or (width == 48 and height <= 32)
    assert abs(height / size[0] - width / size[1]) <= 1 / min(size)
    framed, mask = framing.image(image), framing.mask(np.zeros(size, np.uint8), 255)
    assert framed.shape == (32, 48, 3)
    assert np.array_equal(framed[:height, :width], resize_image(image, (height, width)))
    inside = np.zeros((32, 48), bool)
    inside[:height, :width] = True
    assert (framed[~inside] == 128).all()
    assert np.array_equal(mask == 0, inside)
    assert np.array_equal(mask == 255, ~inside)


@given(tile=st.integers(32, 300), more=st.integers(0, 1000))
def test_tiles_cover_an_axis_and_their_weights_add_up_to_one(tile: int, more: int) -> None:
    axis, total = TiledAxis(tile + more, tile), np.zeros(tile + more)
    for number, start in enumerate(axis.starts):
        weights = axis.weights(number)
        assert (weights >= 0).all()
        total[start : start + tile] += weights
    np.testing.assert_allclose(total, 1, atol=1e-5)
    shared = [before + tile - after for before, after in pairwise(axis.starts)]
    assert all(pixels >= tile / 4 for pixels in shared)


@settings(deadline=None)
@given(size=SIZES, tile=st.tuples(st.integers(32, 50), st.integers(32, 50)), batch=st.integers(1, 5))
def test_tiles_of_a_network_without_surroundings_make_the_whole_image(
    size: tuple[int, int], tile: tuple[int, int], batch: int
) -> None:
    image = random_image(size)
    found = predict(brightness, image, Framing(tile, "crop"), batch)
    np.testing.assert_allclose(found, brightness(image), atol=1e-5)
    assert np.array_equal(predict_ids(brightness, image, Framing(tile, "crop")), image[..., 0] > 127)


@settings(deadline=None, max_examples=25)
@given(size=SIZES, resize=st.sampled_from(["stretch", "pad"]))
def test_one_input_is_scaled_back_as_tensorflow_does(size: tuple[int, int], resize: str) -> None:
    framing, image = Framing((40, 32), resize), random_image(size)  # type: ignore[arg-type]
    height, width = framing.content(size)
    expected = tf.image.resize(brightness(framing.image(image))[np.newaxis, :height, :width], size)[0]
    np.testing.assert_allclose(predict(brightness, image, framing), expected, atol=1e-5)


def test_bands_follow_each_other_and_are_small() -> None:
    image = random_image((1000, 70))
    bands = list(predict_bands(brightness, image, Framing((64, 64), "crop", 0.5)))
    rows = [band for band, _ in bands]
    assert (rows[0].start, rows[-1].stop) == (0, 1000)
    assert all(before.stop == after.start for before, after in pairwise(rows))
    assert max(len(found) for _, found in bands) <= 128


def test_tiles_equal_the_whole_image_where_the_overlap_covers_the_receptive_field() -> None:
    """A network of stride 4, whose receptive field of 27 pixels a quarter of the overlap of 64 covers."""
    layers = [tf.keras.layers.Conv2D(8, 3, 2, "same", activation="relu") for _ in range(2)]
    layers += [tf.keras.layers.Conv2D(8, 3, padding="same", activation="relu"), tf.keras.layers.Conv2D(4, 1)]
    model = tf.keras.Sequential([*layers, tf.keras.layers.UpSampling2D(4), tf.keras.layers.Softmax()])

    def probabilities(tiles: np.ndarray) -> FloatArray:
        return np.asarray(model(tiles.astype(np.float32) / 64 - 2))

    image = random_image((256, 384))
    whole = probabilities(image[np.newaxis])[0]
    assert np.ptp(whole) > 0.1
    np.testing.assert_allclose(predict_framed(probabilities, image, (128, 128), 4), whole, atol=1e-3)


@given(size=SIZES, crop=st.tuples(st.integers(1, 60), st.integers(1, 60)), seed=st.integers(0, 2**32))
def test_a_crop_is_a_part_of_the_image_and_of_its_mask(size: tuple[int, int], crop: tuple[int, int], seed: int) -> None:
    image = random_image(size)
    mask = image[..., 0] % 3
    cut, cut_mask = RandomCrops(crop, 255, zoom=False).draw(image, mask, np.random.default_rng(seed))
    inside = tuple(min(side, own) for side, own in zip(crop, size, strict=True))
    assert cut.shape == (*crop, 3)
    assert np.array_equal(cut_mask[: inside[0], : inside[1]], cut[: inside[0], : inside[1], 0] % 3)
    outside = np.ones(crop, bool)
    outside[: inside[0], : inside[1]] = False
    assert (cut[outside] == 128).all()
    assert (cut_mask[outside] == 255).all()
    windows = np.lib.stride_tricks.sliding_window_view(image[..., 0], inside)
    assert (windows == cut[: inside[0], : inside[1], 0]).all(axis=(2, 3)).any()


def test_zoomed_crops_show_more_and_less_of_the_image() -> None:
    """A ramp, whose slope in a crop is the inverse of the zoom."""
    image = np.repeat(np.broadcast_to(np.arange(200, dtype=np.uint8), (200, 200))[..., np.newaxis], 3, axis=2)
    slopes = []
    for seed in range(60):
        cut, mask = RandomCrops((50, 50), 255, zoom=True).draw(image, image[..., 0], np.random.default_rng(seed))
        assert np.abs(cut[..., 0].astype(int) - mask).max() <= 2
        slopes.append((int(cut[25, 45, 0]) - int(cut[25, 5, 0])) / 40)
    assert 0.45 < min(slopes) < 0.6
    assert 1.6 < max(slopes) < 2.1


@pytest.mark.parametrize("channels", [1, 3, 16])
@pytest.mark.parametrize("resize", ["stretch", "pad", "crop"])
def test_a_cache_holds_what_is_framed(memory_dataset, tmp_path: Path, resize: str, channels: int) -> None:
    sizes = [(40, 30), (7, 50), (33, 33)]
    samples = {"train": numbered(sizes, channels), "val": numbered(sizes[:2], channels)}
    data = memory_dataset(samples=samples)
    data.framing, data.channels = Framing((24, 20), resize, 0.5), channels  # type: ignore[arg-type]
    folder = cache_folder(tmp_path, "a", data.framing)
    built = build_cache(folder, data, 1e9)
    opened = open_cache(folder, data)
    assert opened is not None
    assert opened.counts == {"train": 3, "val": 2}
    for dataset in (built, opened):
        for split in samples:
            for index in range(len(samples[split])):
                expected = data.read_framed(split, index)
                found = dataset.read_framed(split, index)
                assert np.array_equal(found.image, expected.image)
                assert np.array_equal(found.mask, expected.mask)


def test_each_framing_has_a_cache_of_its_own(tmp_path: Path) -> None:
    size = (24, 20)
    framings = [
        Framing(size),
        Framing(size, "pad"),
        Framing(size, "crop"),
        Framing(size, "crop", 0.5),
        Framing((24, 24)),
    ]
    assert len({cache_folder(tmp_path, "a", framing) for framing in framings}) == len(framings)
    # As studies of earlier versions have it.
    assert cache_folder(tmp_path, "a", framings[0]).name == "a-24x20"


def batches(data: Dataset, epoch: int, **options: object) -> list[tuple[np.ndarray, np.ndarray]]:
    pipeline = Pipeline(data, "train", batch_size=2, training=True, **options)  # type: ignore[arg-type]
    return [(images.numpy(), masks.numpy()) for images, masks in pipeline.epoch(epoch)]


@pytest.mark.parametrize("augment", ["none", "flip", "scale"])
def test_crops_repeat_by_seed_and_differ_by_epoch(memory_dataset, augment: str) -> None:
    data = memory_dataset(samples={"train": numbered([(60, 70), (10, 90), (64, 64), (50, 50)])})
    data.framing = Framing((32, 40), "crop")
    first, again, later = (batches(data, epoch, augment=augment, seed=3) for epoch in (1, 1, 2))
    assert [images.shape for images, _ in first] == [(2, 32, 40, 3)] * 2
    for (images, masks), (same, same_masks) in zip(first, again, strict=True):
        assert np.array_equal(images, same)
        assert np.array_equal(masks, same_masks)
    assert not np.array_equal(first[0][0], later[0][0])
    if augment != "scale":
        labelled = np.concatenate([masks for _, masks in first])
        pixels = np.concatenate([images[..., 0] for images, _ in first])
        assert np.array_equal(labelled[labelled != 255], pixels[labelled != 255] % 3)
        assert (pixels[labelled == 255] == 128).all()


def test_a_mirror_changes_the_places_of_left_and_right(memory_dataset) -> None:
    mask = np.zeros((32, 32), np.uint8)
    mask[:, :8], mask[:, 24:] = 1, 2
    image = np.repeat(mask[..., np.newaxis] * 100, 3, axis=2)
    data = memory_dataset(samples={"train": [Sample(image, mask, "a")] * 8}, class_names=("rest", "left", "right"))
    data.framing, data.mirror = Framing((32, 32)), ((1, 2),)
    seen = set()
    for epoch in range(4):
        for images, masks in batches(data, epoch, augment="flip"):
            for shown, labels in zip(images, masks, strict=True):
                # Left stays at the left, whatever is seen there.
                assert np.array_equal(labels, mask)
                seen.add(int(shown[0, 0, 0]))
    assert seen == {100, 200}
