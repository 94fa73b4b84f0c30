"""Predicting images of any size in tiles: equal to predicting them at once, in bands that need little memory."""

from __future__ import annotations

from collections.abc import Callable

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import uniform_filter

from datasets import Framing, resize_image
from datasets.inference import Probabilities, predict_bands

sides = st.integers(1, 150)


def whole(probabilities: Probabilities, image: np.ndarray, framing: Framing, zoom: float = 1.0) -> np.ndarray:
    """All bands as one array, after a look at whether they follow each other."""
    bands = list(predict_bands(probabilities, image, framing, zoom))
    ends = [rows.stop for rows, _ in bands]
    assert [rows.start for rows, _ in bands] == [0, *ends[:-1]]
    assert ends[-1] == len(image)
    assert all(values.dtype == np.float32 and len(values) == rows.stop - rows.start for rows, values in bands)
    return np.concatenate([values for _, values in bands])


def blurring(width: int) -> Callable[[np.ndarray], np.ndarray]:
    """A network that sees `width // 2` pixels far, and nothing beyond the edge of what it is given."""

    def network(images: np.ndarray) -> np.ndarray:
        blurred = uniform_filter(images.astype(np.float32), (0, width, width, 0), mode="constant", cval=128) / 255
        return np.concatenate([blurred, 1 - blurred[..., :1]], axis=-1)

    return network


def noise(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


@settings(max_examples=40, deadline=None)
@given(height=sides, width=sides, tile=st.tuples(st.integers(24, 60), st.integers(24, 60)))
def test_tiles_equal_the_whole_image_where_the_overlap_covers_what_the_network_sees(
    height: int, width: int, tile: tuple[int, int]
) -> None:
    image, network = noise(height, width), blurring(3)
    expected = network(image[None])[0]
    np.testing.assert_allclose(whole(network, image, Framing(tile, "crop")), expected, atol=1e-5)


@settings(max_examples=40, deadline=None)
@given(height=sides, width=sides, size=st.tuples(st.integers(8, 60), st.integers(8, 60)))
def test_stretched_images_are_resized_back_as_keras_does(height: int, width: int, size: tuple[int, int]) -> None:
    image, network = noise(height, width), blurring(5)
    small = network(resize_image(image, size)[None])
    expected = np.asarray(keras.ops.image.resize(small, (height, width), interpolation="bilinear"))[0]
    np.testing.assert_allclose(whole(network, image, Framing(size)), expected, atol=1e-5)


@pytest.mark.parametrize("shape", [(120, 60), (60, 120), (20, 12), (64, 64)])
def test_padded_images_keep_their_shape_and_lose_the_padding(shape: tuple[int, int]) -> None:
    image = noise(*shape)
    fitted = resize_image(image, Framing((64, 64), "pad").content(shape))
    assert max(fitted.shape[:2]) == 64
    seen = np.full((1, 64, 64, 3), 128, np.uint8)
    seen[0, : fitted.shape[0], : fitted.shape[1]] = fitted
    small = blurring(5)(seen)[:, : fitted.shape[0], : fitted.shape[1]]
    expected = np.asarray(keras.ops.image.resize(small, shape, interpolation="bilinear"))[0]
    np.testing.assert_allclose(whole(blurring(5), image, Framing((64, 64), "pad")), expected, atol=1e-5)


@pytest.mark.parametrize("scale", [0.5, 1.7])
def test_crops_at_a_scale_see_the_image_at_that_scale(scale: float) -> None:
    image = noise(130, 90)
    seen = resize_image(image, (round(130 * scale), round(90 * scale)))
    expected = np.asarray(keras.ops.image.resize(blurring(3)(seen[None]), (130, 90), interpolation="bilinear"))[0]
    np.testing.assert_allclose(whole(blurring(3), image, Framing((48, 40), "crop", scale)), expected, atol=1e-5)
    zoomed = whole(blurring(3), image, Framing((48, 40), "crop"), zoom=scale)
    np.testing.assert_allclose(zoomed, expected, atol=1e-5)


def test_probabilities_of_tiles_add_up_to_one() -> None:
    def network(images: np.ndarray) -> np.ndarray:
        # Different for each tile, as a network is at its edges.
        share = (images.reshape(len(images), -1).sum(axis=1) % 97 / 97).astype(np.float32)
        return np.ones((*images.shape[:3], 1), np.float32) * np.stack([share, 1 - share], axis=-1)[:, None, None]

    found = whole(network, noise(200, 170), Framing((50, 40), "crop"))
    np.testing.assert_allclose(found.sum(axis=-1), 1, atol=1e-5)
    assert found.std() > 0.01


def test_no_more_than_a_row_of_tiles_is_in_memory() -> None:
    image = noise(2000, 60)
    heights = [len(values) for _, values in predict_bands(blurring(3), image, Framing((40, 40), "crop"))]
    assert max(heights) <= 2 * 40
