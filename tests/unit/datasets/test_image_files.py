"""Image and mask files of every kind, intact and damaged."""

from __future__ import annotations

import contextlib
import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from datasets import DataError, read_image, resize_image, resize_mask
from datasets.images import read_mask


def noise(shape: tuple[int, ...]) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA"])
def test_every_8_bit_mode_becomes_rgb(tmp_path: Path, mode: str) -> None:
    original = Image.fromarray(noise((5, 7, 3))).convert(mode)
    original.save(tmp_path / "a.png")
    image = read_image(tmp_path / "a.png")
    assert image.shape == (5, 7, 3)
    assert image.dtype == np.uint8
    assert np.array_equal(image, np.asarray(original.convert("RGB")))


def test_a_palette_with_transparency_becomes_rgb(tmp_path: Path) -> None:
    original = Image.fromarray(noise((5, 7, 3))).convert("P")
    original.save(tmp_path / "a.png", transparency=bytes(range(256)))
    assert np.array_equal(read_image(tmp_path / "a.png"), np.asarray(original.convert("RGB")))


def test_16_bit_images_are_refused(tmp_path: Path) -> None:
    Image.fromarray(np.full((5, 7), 4000, np.uint16)).save(tmp_path / "a.png")
    with pytest.raises(DataError, match="expected 8 bits per channel"):
        read_image(tmp_path / "a.png")


def test_images_are_turned_as_viewers_show_them(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # a quarter turn clockwise
    Image.fromarray(noise((4, 8, 3))).save(tmp_path / "a.png", exif=exif)
    assert np.array_equal(read_image(tmp_path / "a.png"), np.rot90(noise((4, 8, 3)), -1))


def test_palette_masks_give_indices_and_bit_masks_ones(tmp_path: Path) -> None:
    ids = np.array([[0, 1, 2], [2, 1, 255]], np.uint8)
    palette = Image.fromarray(ids)
    palette.putpalette([200, 10, 10] * 256)
    palette.save(tmp_path / "p.png")
    assert np.array_equal(read_mask(tmp_path / "p.png"), ids)
    Image.fromarray(ids > 0).save(tmp_path / "b.png")
    assert np.array_equal(read_mask(tmp_path / "b.png"), ids > 0)


@pytest.mark.parametrize("shape", [(5, 7, 3), (5, 7, 4)])
def test_masks_of_several_channels_are_refused(tmp_path: Path, shape: tuple[int, ...]) -> None:
    Image.fromarray(noise(shape)).save(tmp_path / "m.png")
    with pytest.raises(DataError, match="expected one channel of 8-bit class ids"):
        read_mask(tmp_path / "m.png")


def test_16_bit_masks_are_refused(tmp_path: Path) -> None:
    Image.fromarray(np.ones((5, 7), np.uint16)).save(tmp_path / "m.png")
    with pytest.raises(DataError, match="expected one channel of 8-bit class ids"):
        read_mask(tmp_path / "m.png")


def test_masks_are_never_jpeg(tmp_path: Path) -> None:
    Image.fromarray(noise((5, 7))).save(tmp_path / "m.png", format="JPEG")
    with pytest.raises(DataError, match="Expected an intact PNG"):
        read_mask(tmp_path / "m.png")


def test_other_formats_are_not_opened_whatever_their_name(tmp_path: Path) -> None:
    Image.fromarray(noise((5, 7, 3))).save(tmp_path / "a.png", format="GIF")
    with pytest.raises(DataError, match="JPEG or PNG"):
        read_image(tmp_path / "a.png")


# Between one and two times its limit, Pillow only warns.
@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize("factor", [1.5, 3.0])
def test_decompression_bombs_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, factor: float) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", int(1000 / factor))
    Image.fromarray(noise((10, 100, 3))).save(tmp_path / "a.png")
    with pytest.raises(DataError, match="decompression bombs"):
        read_image(tmp_path / "a.png")


def test_text_that_unpacks_to_megabytes_is_refused(tmp_path: Path) -> None:
    text = PngInfo()
    text.add_text("comment", "x" * 2_000_000, zip=True)
    Image.fromarray(noise((5, 7, 3))).save(tmp_path / "a.png", pnginfo=text)
    with pytest.raises(DataError, match="Cannot read image"):
        read_image(tmp_path / "a.png")


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_damaged_files_are_data_errors_or_images(tmp_path: Path, kind: str, data: st.DataObject) -> None:
    buffer = io.BytesIO()
    Image.fromarray(noise((16, 16, 3))).save(buffer, format=kind)
    content = bytearray(buffer.getvalue())
    del content[data.draw(st.integers(0, len(content)), label="length") :]
    for _ in range(data.draw(st.integers(0, 3), label="flips") if content else 0):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    (tmp_path / "a.png").write_bytes(content)
    # Any other exception would fail the test.
    with contextlib.suppress(DataError):
        assert read_image(tmp_path / "a.png").dtype == np.uint8


@pytest.mark.parametrize("suffix", ["png", "jpg"])
def test_truncated_files_are_refused(tmp_path: Path, suffix: str) -> None:
    file = tmp_path / f"a.{suffix}"
    Image.fromarray(noise((64, 64, 3))).save(file)
    file.write_bytes(file.read_bytes()[:-2000])
    with pytest.raises(DataError, match="Cannot read image"):
        read_image(file)


@given(
    old=st.tuples(st.integers(1, 40), st.integers(1, 40)),
    new=st.tuples(st.integers(1, 40), st.integers(1, 40)),
    seed=st.integers(0, 100),
)
@settings(max_examples=50, deadline=None)
def test_resized_masks_hold_no_new_values(old: tuple[int, int], new: tuple[int, int], seed: int) -> None:
    mask = np.random.default_rng(seed).choice(np.array([0, 3, 255], np.uint8), old)
    resized = resize_mask(mask, new)
    assert resized.shape == new
    assert resized.dtype == np.uint8
    assert set(np.unique(resized)) <= set(np.unique(mask))


def test_images_and_masks_shrink_onto_the_same_pixels() -> None:
    mask = np.kron(np.random.default_rng(1).integers(0, 2, (6, 8), dtype=np.uint8), np.ones((10, 10), np.uint8))
    image = np.repeat(mask[..., None] * 200, 3, axis=2)
    small, small_mask = resize_image(image, (30, 40)), resize_mask(mask, (30, 40))
    assert np.mean((small[..., 0] > 100) == small_mask) > 0.99
    # Antialiased: a chequerboard of single pixels becomes its mean.
    chequers = np.indices((64, 64)).sum(axis=0) % 2 * 200
    shrunk = resize_image(np.repeat(chequers[..., None], 3, axis=2).astype(np.uint8), (16, 16))
    assert np.abs(shrunk[2:-2, 2:-2].astype(int) - 100).max() < 25
