"""What masks mean: by colour, by a table of values, by a threshold, or by what all masks have in common."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from imagecodecs import png_encode
from PIL import Image

from datasets import DataError
from datasets.colors import voc_colors
from datasets.formats.classes import Labels, read_labels
from datasets.formats.masks import MaskReader
from datasets.images import read_image

NAMES = ("ground", "crop", "weed")
IDS = np.array([[0, 1, 2, 255], [2, 2, 0, 1]], np.uint8)
COLORS = {(0, 0, 0): 0, (220, 20, 60): 1, (0, 0, 220): 2, (255, 255, 255): 255}
BY_COLOR = Labels(NAMES, 3, 255, colors=COLORS)
PLAIN = Labels(NAMES, 3, 255)
BINARY = Labels(("background", "object"), 1, 255)


def in_colors(ids: np.ndarray) -> np.ndarray:
    table = {index: color for color, index in COLORS.items()}
    return np.array([[table[int(value)] for value in row] for row in ids], np.uint8)


def read(path: Path, labels: Labels = PLAIN, files: Sequence[Path] | None = None) -> np.ndarray:
    return MaskReader(labels, lambda: files or [path]).read(path).ids


def refused(path: Path, labels: Labels, match: str, files: Sequence[Path] | None = None) -> None:
    with pytest.raises(DataError, match=match):
        read(path, labels, files)


@pytest.mark.parametrize("name", ["m.png", "m.tif", "m.bmp"])
def test_colours(tmp_path: Path, name: str) -> None:
    Image.fromarray(in_colors(IDS)).save(tmp_path / name)
    assert np.array_equal(read(tmp_path / name, BY_COLOR), IDS)


def test_colours_of_opaque_masks_and_of_palettes_in_any_order(tmp_path: Path) -> None:
    Image.fromarray(in_colors(IDS)).convert("RGBA").save(tmp_path / "rgba.png")
    for seed in range(3):
        order = np.random.default_rng(seed).permutation(4)
        palette = Image.fromarray(np.argsort(order)[np.where(IDS == 255, 3, IDS)].astype(np.uint8))
        palette.putpalette(np.array(list(COLORS), np.uint8)[order].tobytes())
        palette.save(tmp_path / "palette.png")
        assert np.array_equal(read(tmp_path / "palette.png", BY_COLOR), IDS)
    assert np.array_equal(read(tmp_path / "rgba.png", BY_COLOR), IDS)


def test_unlisted_colours_are_named_with_their_pixels(tmp_path: Path) -> None:
    pixels = in_colors(IDS)
    pixels[0, :2] = (1, 2, 3)
    Image.fromarray(pixels).save(tmp_path / "m.png")
    refused(tmp_path / "m.png", BY_COLOR, r"#010203 \(2 pixels\)")
    refused(tmp_path / "m.png", PLAIN, r'"colors"')


def test_transparent_pixels_are_refused(tmp_path: Path) -> None:
    pixels = np.dstack([in_colors(IDS), np.full(IDS.shape, 255, np.uint8)])
    pixels[0, 0, 3] = 0
    Image.fromarray(pixels).save(tmp_path / "m.png")
    refused(tmp_path / "m.png", BY_COLOR, "transparent")


@pytest.mark.parametrize(("bits", "values"), [(1, [0, 1, 1, 0]), (2, [0, 1, 2, 3]), (4, [0, 1, 7, 15])])
def test_grey_masks_of_few_bits_hold_their_sample_values(tmp_path: Path, bits: int, values: list[int]) -> None:
    labels = Labels(tuple(f"class_{index}" for index in range(2**bits)), 2**bits, 255)
    (tmp_path / "m.png").write_bytes(small_png(np.array([values, values[::-1]], np.uint8), bits))
    assert read(tmp_path / "m.png", labels).tolist() == [values, values[::-1]]


def small_png(values: np.ndarray, bits: int, palette: bytes = b"") -> bytes:
    """A PNG as Pillow writes none: grey of 1, 2 or 4 bits, or with a palette of any length."""
    import struct
    import zlib

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    expanded = np.unpackbits(values[..., None], axis=-1)[..., 8 - bits :].reshape(len(values), -1)
    rows = b"".join(b"\0" + np.packbits(row).tobytes() for row in expanded)
    header = struct.pack(">IIBBBBB", values.shape[1], values.shape[0], bits, 3 if palette else 0, 0, 0, 0)
    colors = chunk(b"PLTE", palette) if palette else b""
    data = chunk(b"IDAT", zlib.compress(rows))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + colors + data + chunk(b"IEND", b"")


@pytest.mark.parametrize("name", ["m.png", "m.tif"])
def test_ids_of_8_and_16_bits(tmp_path: Path, name: str) -> None:
    labels = PLAIN._replace(ids={1000: 0, 7: 1, 26: 2, 65535: 255})
    values = np.select([IDS == 0, IDS == 1, IDS == 2], [1000, 7, 26], 65535).astype(np.uint16)
    if name == "m.png":
        (tmp_path / name).write_bytes(png_encode(values))
    else:
        tifffile.imwrite(tmp_path / name, values)
    assert np.array_equal(read(tmp_path / name, labels), IDS)
    refused(tmp_path / name, PLAIN, r"contains the values 7, 26, 1000, 65535.*\"ids\"")
    refused(tmp_path / name, PLAIN._replace(ids={1000: 0, 7: 1, 26: 2}), r"contains the values 65535")


def test_trimaps(tmp_path: Path) -> None:
    labels = BINARY._replace(ids={0: 0, 127: 255, 255: 1})
    Image.fromarray(np.array([[0, 127, 255]], np.uint8)).save(tmp_path / "m.png")
    assert read(tmp_path / "m.png", labels).tolist() == [[0, 255, 1]]


def test_grey_in_three_channels_is_grey(tmp_path: Path) -> None:
    Image.fromarray(np.repeat(IDS[..., None], 3, axis=2)).save(tmp_path / "m.png")
    assert np.array_equal(read(tmp_path / "m.png"), IDS)


def test_fractions_are_refused(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "m.tif", IDS.astype(np.float32))
    refused(tmp_path / "m.tif", PLAIN, "fractions")


@pytest.mark.parametrize("file_format", ["JPEG", "WEBP"])
def test_formats_with_losses_need_a_threshold(tmp_path: Path, file_format: str) -> None:
    square = np.zeros((32, 32), np.uint8)
    square[8:24, 8:24] = 255
    # By its content, whatever the file is called.
    Image.fromarray(square).convert("RGB").save(tmp_path / "m.png", format=file_format, quality=80)
    refused(tmp_path / "m.png", BINARY, r'compression changes values.*"threshold"')
    assert np.array_equal(read(tmp_path / "m.png", BINARY._replace(threshold=128)), square > 0)


def test_smooth_edges_need_a_threshold(tmp_path: Path) -> None:
    Image.fromarray(np.array([[0, 20, 90, 128, 180, 250, 255]], np.uint8)).save(tmp_path / "m.png")
    refused(tmp_path / "m.png", BINARY, '"threshold": 128')
    assert read(tmp_path / "m.png", BINARY._replace(threshold=128)).tolist() == [[0, 0, 0, 1, 1, 1, 1]]


def palette_mask(path: Path, ids: np.ndarray, colors: np.ndarray) -> Path:
    mask = Image.fromarray(ids)
    mask.putpalette(colors.astype(np.uint8).tobytes())
    mask.save(path)
    return path


def test_indices_of_the_usual_palettes_are_ids(tmp_path: Path) -> None:
    path = palette_mask(tmp_path / "m.png", IDS, voc_colors(256))
    assert np.array_equal(read(path), IDS)


def test_the_colours_of_classes_are_known_once_masks_were_read(tmp_path: Path) -> None:
    path = palette_mask(tmp_path / "m.png", IDS, voc_colors(256))
    reader = MaskReader(PLAIN, lambda: [path])
    assert reader.colors() == {}
    reader.read(path)
    assert reader.colors() == {0: "#000000", 1: "#800000", 2: "#008000"}
    assert MaskReader(BY_COLOR, list).colors() == {0: "#000000", 1: "#dc143c", 2: "#0000dc"}


def test_other_palettes_are_read_as_classes_json_says(tmp_path: Path) -> None:
    path = palette_mask(tmp_path / "m.png", np.minimum(IDS, 2), np.array([[9, 9, 9], [0, 0, 220], [220, 20, 60]]))
    refused(path, PLAIN, r"value 0 is #090909, value 1 is #0000dc, value 2 is #dc143c")
    assert np.array_equal(read(path, PLAIN._replace(ids={0: 0, 1: 1, 2: 2})), np.minimum(IDS, 2))


def test_palettes_that_disagree_are_named_also_with_a_table_of_values(tmp_path: Path) -> None:
    colors = np.array([[0, 0, 0], [0, 0, 220], [220, 20, 60]])
    files = [
        palette_mask(tmp_path / "a.png", np.minimum(IDS, 2), colors),
        palette_mask(tmp_path / "b.png", np.minimum(IDS, 2), colors[[0, 2, 1]]),
    ]
    for labels in (PLAIN, PLAIN._replace(ids={0: 0, 1: 1, 2: 2})):
        refused(files[1], labels, r"value 1 is #0000dc \(such as in a\.png\), #dc143c \(such as in b\.png\)", files)


@pytest.mark.parametrize("labels", [PLAIN, BY_COLOR, BINARY._replace(threshold=128), PLAIN._replace(ids={0: 0, 3: 1})])
def test_indices_that_the_palette_lacks_are_refused(tmp_path: Path, labels: Labels) -> None:
    path = tmp_path / "m.png"
    path.write_bytes(small_png(np.array([[0, 1, 3]], np.uint8), 2, palette=bytes([0, 0, 0, 220, 20, 60])))
    refused(path, labels, r"m\.png has colours that its palette lacks; replace or remove it")
    with pytest.raises(DataError, match="its palette lacks"):
        read_image(path)


def binary(path: Path, values: list[int]) -> Path:
    Image.fromarray(np.array([values], np.uint8)).save(path)
    return path


def test_black_and_white_palettes_are_read_by_colour(tmp_path: Path) -> None:
    black_first = palette_mask(tmp_path / "a.png", np.array([[0, 1]], np.uint8), np.array([[0] * 3, [255] * 3]))
    white_first = palette_mask(tmp_path / "b.png", np.array([[0, 1]], np.uint8), np.array([[255] * 3, [0] * 3]))
    assert read(black_first, BINARY).tolist() == [[0, 1]]
    assert read(white_first, BINARY).tolist() == [[1, 0]]


@pytest.mark.parametrize(
    ("others", "expected"),
    [
        ([[0, 0], [0, 255]], [[0, 1]]),  # white is the object
        ([[0, 1, 255], [0, 1]], [[0, 255]]),  # a mask holds both, so that white is ignored
        ([[0, 0], [0, 1]], None),  # two conventions, or ignored pixels: nobody knows
    ],
)
def test_white_in_binary_masks(tmp_path: Path, others: list[list[int]], expected: Any) -> None:
    path = binary(tmp_path / "white.png", [0, 255])
    files = [path, *(binary(tmp_path / f"{number}.png", values) for number, values in enumerate(others))]
    if expected is None:
        refused(path, BINARY, r"0 and 1 \(such as .*1\.png\), others 0 and 255 \(such as .*white\.png\)", files)
    else:
        assert read(path, BINARY, files).tolist() == expected


@given(ids=st.lists(st.sampled_from([0, 1, 2, 255]), min_size=1, max_size=40), seed=st.integers(0, 2**16))
@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_colours_and_any_values(tmp_path: Path, ids: list[int], seed: int) -> None:
    rng = np.random.default_rng(seed)
    truth = np.array([ids], np.uint8)
    colors = rng.choice(2**24, 4, replace=False)
    values = rng.choice(2**16, 4, replace=False)
    place = np.searchsorted([0, 1, 2, 255], truth)
    table = {
        (int(color) >> 16, int(color) >> 8 & 255, int(color) & 255): index
        for color, index in zip(colors, [0, 1, 2, 255], strict=True)
    }
    Image.fromarray(np.array(list(table), np.uint8)[place]).save(tmp_path / "m.png")
    assert np.array_equal(read(tmp_path / "m.png", PLAIN._replace(colors=table)), truth)

    (tmp_path / "m.png").write_bytes(png_encode(values.astype(np.uint16)[place]))
    meant = dict(zip(values.tolist(), [0, 1, 2, 255], strict=True))
    assert np.array_equal(read(tmp_path / "m.png", PLAIN._replace(ids=meant)), truth)


# classes.json


def labels_of(folder: Path, content: dict[str, Any], classes: int | None = None) -> Labels:
    (folder / "classes.json").write_text(json.dumps(content), encoding="utf-8")
    return read_labels(folder, classes, None)


def test_classes_json_says_what_masks_mean(tmp_path: Path) -> None:
    labels = labels_of(
        tmp_path,
        {
            "classes": ["ground", "left", "right"],
            "colors": ["#000000", "#FF0000", "#00ff00"],
            "ignore_colors": ["#ffffff"],
            "ids": {"1": "ground", "2": "left", "3": "right", "0": None},
            "mirror": [["left", "right"]],
        },
    )
    assert labels.colors == {(0, 0, 0): 0, (255, 0, 0): 1, (0, 255, 0): 2, (255, 255, 255): 255}
    assert labels.ids == {1: 0, 2: 1, 3: 2, 0: 255}
    assert labels.mirror == ((1, 2),)


@pytest.mark.parametrize(
    ("keys", "match"),
    [
        ({"colors": ["#000000"]}, "1 colors for 2 classes"),
        ({"colors": ["#000000", "#000000"]}, "a colour twice"),
        ({"colors": ["#000000", "red"]}, "colors.1"),
        ({"ignore_colors": ["#000000"]}, "no colors"),
        ({"ids": {"1": "tree"}}, "'tree'"),
        ({"ids": {"one": "a"}}, "ids"),
        ({"mirror": [["a", "c"]]}, "'c'"),
        ({"threshold": 128, "ids": {"0": "a"}}, "threshold"),
        ({"classes": ["a", "b", "c"], "threshold": 128}, "threshold is for two classes"),
    ],
)
def test_mistakes_in_classes_json(tmp_path: Path, keys: dict[str, Any], match: str) -> None:
    with pytest.raises(DataError, match=match):
        labels_of(tmp_path, {"classes": ["a", "b"], **keys})
