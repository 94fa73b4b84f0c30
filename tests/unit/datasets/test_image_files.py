"""Image and mask files of every kind, intact and damaged."""

from __future__ import annotations

import contextlib
import io
from pathlib import Path

import numpy as np
import pytest
import tifffile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from imagecodecs import png_encode
from PIL import Image, ImageOps
from PIL.PngImagePlugin import PngInfo

from datasets import DataError, ImageReading, read_image, resize_image, resize_mask


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
    with pytest.raises(DataError, match=r"16 bits per channel.*value_range"):
        read_image(tmp_path / "a.png")


def test_images_are_turned_as_viewers_show_them(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # a quarter turn clockwise
    Image.fromarray(noise((4, 8, 3))).save(tmp_path / "a.png", exif=exif)
    assert np.array_equal(read_image(tmp_path / "a.png"), np.rot90(noise((4, 8, 3)), -1))


def test_other_formats_are_not_opened_whatever_their_name(tmp_path: Path) -> None:
    Image.fromarray(noise((5, 7, 3))).save(tmp_path / "a.png", format="GIF")
    with pytest.raises(DataError, match="Expected an intact BMP, JPEG"):
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


# Kinds of images.


@pytest.mark.parametrize("name", ["a.tif", "a.webp", "a.bmp", "a.png"])
@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_formats_without_losses(tmp_path: Path, name: str, mode: str) -> None:
    original = Image.fromarray(noise((9, 7, 3))).convert(mode)
    original.save(tmp_path / name, lossless=True)
    assert np.array_equal(read_image(tmp_path / name), np.asarray(original.convert("RGB")))


@pytest.mark.parametrize("name", ["a.jpg", "a.tif"])
def test_cmyk_becomes_rgb(tmp_path: Path, name: str) -> None:
    original = Image.fromarray(noise((9, 7, 3))).convert("CMYK")
    original.save(tmp_path / name)
    with Image.open(tmp_path / name) as stored:
        assert np.array_equal(read_image(tmp_path / name), np.asarray(stored.convert("RGB")))


DEEP = np.random.default_rng(1).integers(0, 4096, (6, 5, 4), np.uint16)
RANGE = (0.0, 4095.0)


def scaled(values: np.ndarray) -> np.ndarray:
    return np.rint(values / 4095 * 255).astype(np.uint8)


@pytest.mark.parametrize("name", ["a.png", "a.tif"])
@pytest.mark.parametrize(
    ("stored", "expected"),
    [(DEEP[..., 0], np.repeat(DEEP[..., :1], 3, -1)), (DEEP[..., :3], DEEP[..., :3]), (DEEP, DEEP[..., :3])],
    ids=["grey", "RGB", "RGBA"],
)
def test_16_bits_are_scaled_by_the_range(tmp_path: Path, name: str, stored: np.ndarray, expected: np.ndarray) -> None:
    save_deep(tmp_path / name, stored)
    assert np.array_equal(read_image(tmp_path / name, ImageReading(value_range=RANGE)), scaled(expected))
    with pytest.raises(DataError, match=r"16 bits per channel.*\[data\] value_range"):
        read_image(tmp_path / name)


def save_deep(path: Path, values: np.ndarray) -> None:
    if path.suffix == ".png":
        path.write_bytes(png_encode(np.ascontiguousarray(values)))
    elif values.shape[-1] == 4:
        tifffile.imwrite(path, values, photometric="rgb", extrasamples=["unassalpha"], compression="lzw")
    else:
        tifffile.imwrite(path, values, photometric="rgb" if values.ndim == 3 else "minisblack", compression="deflate")


def test_grey_with_opacity_of_16_bits(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(png_encode(np.ascontiguousarray(DEEP[..., :2])))
    image = read_image(tmp_path / "a.png", ImageReading(value_range=RANGE))
    assert np.array_equal(image, np.repeat(scaled(DEEP[..., :1]), 3, -1))


def test_fractions_are_scaled_and_what_was_not_measured_is_low(tmp_path: Path) -> None:
    values = np.array([[-1.0, 0.0, 0.5, 1.0, 2.0, np.nan]], np.float32)
    tifffile.imwrite(tmp_path / "a.tif", values)
    image = read_image(tmp_path / "a.tif", ImageReading(1, (0.0, 1.0)))
    assert image[0, :, 0].tolist() == [0, 0, 128, 255, 255, 0]


def test_a_range_is_refused_for_images_of_8_bits(tmp_path: Path) -> None:
    Image.fromarray(noise((5, 7, 3))).save(tmp_path / "a.png")
    with pytest.raises(DataError, match="8 bits per channel, but"):
        read_image(tmp_path / "a.png", ImageReading(value_range=(0, 100)))


@pytest.mark.parametrize("channels", [2, 4, 5, 16])
@pytest.mark.parametrize("pages", [False, True])
def test_many_channels(tmp_path: Path, channels: int, pages: bool) -> None:
    values = noise((6, 5, channels))
    stored = np.moveaxis(values, -1, 0) if pages else values
    tifffile.imwrite(tmp_path / "a.tif", stored, photometric="minisblack", planarconfig=None if pages else "contig")
    assert np.array_equal(read_image(tmp_path / "a.tif", ImageReading(channels)), values)
    with pytest.raises(DataError, match=rf"has {channels} channels, and \[data\] channels is 3"):
        read_image(tmp_path / "a.tif")


def test_opacity_is_a_channel_where_it_is_asked_for(tmp_path: Path) -> None:
    Image.fromarray(noise((5, 7, 4))).save(tmp_path / "a.png")
    assert np.array_equal(read_image(tmp_path / "a.png", ImageReading(4)), noise((5, 7, 4)))
    assert np.array_equal(read_image(tmp_path / "a.png"), noise((5, 7, 4))[..., :3])


def test_colours_become_grey_for_one_channel(tmp_path: Path) -> None:
    original = Image.fromarray(noise((5, 7, 3)))
    original.save(tmp_path / "a.png")
    grey = read_image(tmp_path / "a.png", ImageReading(1))[..., 0].astype(int)
    assert np.abs(grey - np.asarray(original.convert("L"))).max() <= 1


def test_several_images_in_one_file_are_refused(tmp_path: Path) -> None:
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        file.write(noise((5, 7, 3)), photometric="rgb")
        file.write(noise((3, 4, 3)), photometric="rgb")
    with pytest.raises(DataError, match="holds 2 images"):
        read_image(tmp_path / "a.tif")


@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.tif", "a.webp"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_orientation_in_every_format(tmp_path: Path, name: str, orientation: int) -> None:
    blocks = np.kron(noise((2, 3, 3)), np.ones((16, 16, 1), np.uint8))
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(blocks).save(tmp_path / name, exif=exif, lossless=True, quality=95)
    with Image.open(tmp_path / name) as stored:
        shown = np.asarray(ImageOps.exif_transpose(stored).convert("RGB"))
    assert np.array_equal(read_image(tmp_path / name), shown)
    raw = read_image(tmp_path / name, ImageReading(orientation="raw"))
    assert np.abs(raw.astype(int) - blocks).mean() < (10 if name == "a.jpg" else 1e-9)
