"""What a stranger's files may hold: one clear message or success, never a hang, a traceback or a full memory."""

from __future__ import annotations

import io
import json
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import tomli_w
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from datasets import DataError, read_image
from datasets.formats import open_dataset
from datasets.formats.classes import Labels
from datasets.formats.masks import MaskReader
from deeplab import EncoderWeightsError, check_encoder_weights
from deeplab.archive import MOST_BYTES
from search.commands.status import show_status
from search.errors import UserError
from search.results.predictor import load_predictor
from search.results.trained_network import load_model, trained_trial
from search.study.folder import Study
from search.study.prepare import read_space
from search.study.reading import load_config
from search.system.csv_files import read_csv
from search.system.files import read_json
from search.trial.checkpoint import read_state, weights_file
from tests.integration.program import Table

FUZZ = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=10,
)
# Where a file is changed, and into what.
CHANGES = st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.binary(max_size=8)), min_size=1, max_size=4)


def mutated(content: bytes, changes: list[tuple[float, bytes]]) -> bytes:
    """The content with pieces overwritten; an empty piece cuts it off there."""
    for place, piece in changes:
        at = int(place * len(content))
        content = content[:at] + piece + content[at + len(piece) :] if piece else content[:at]
    return content


def names(error: Exception, what: str) -> None:
    """A message says what is wrong."""
    assert what in str(error)


def read_study_file(path: Path) -> None:
    config = load_config(path)
    read_space(config, str(path))


@FUZZ
@given(data=st.data())
def test_study_files(tmp_path: Path, tiny: Table, data: st.DataObject) -> None:
    table: dict[str, Any] = json.loads(json.dumps(tiny))
    for _ in range(data.draw(st.integers(1, 3))):
        section = data.draw(st.sampled_from([*table, "limits", "workers", "other"]))
        keys = [*(table.get(section) or {}), "unknown"] if isinstance(table.get(section), dict) else ["unknown"]
        value = data.draw(VALUES.filter(lambda value: value is not None))
        if isinstance(table.get(section), dict) and data.draw(st.booleans()):
            table[section][data.draw(st.sampled_from(keys))] = value
        else:
            table[section] = value
    try:
        text = tomli_w.dumps(table)
    except (TypeError, ValueError, AttributeError):
        return  # no TOML at all
    (tmp_path / "s.toml").write_text(text, errors="replace")
    try:
        read_study_file(tmp_path / "s.toml")
    except UserError as error:
        names(error, "s.toml")


@FUZZ
@given(changes=CHANGES)
def test_study_files_as_bytes(tmp_path: Path, tiny: Table, changes: list[tuple[float, bytes]]) -> None:
    path = tmp_path / "s.toml"
    path.write_bytes(mutated(tomli_w.dumps(tiny).encode(), changes))
    try:
        read_study_file(path)
    except UserError as error:
        names(error, "s.toml")


@pytest.mark.parametrize(
    "content", [b"a = " + b"[" * 100_000, b"a" + b".a" * 50_000 + b" = 1", b"\xff\xfe", b"a = 1" + b"0" * 5000]
)
def test_study_files_that_are_traps(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "s.toml").write_bytes(content)
    with pytest.raises(UserError, match=r"s\.toml"):
        load_config(tmp_path / "s.toml")


def read_mask(path: Path) -> Any:
    return MaskReader(Labels(tuple("abc"), 3, 255), lambda: [path]).read(path).ids


@FUZZ
@given(changes=CHANGES, kind=st.sampled_from(["png", "jpeg", "mask"]))
def test_images_and_masks(tmp_path: Path, changes: list[tuple[float, bytes]], kind: str) -> None:
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 255, (12, 10) if kind == "mask" else (12, 10, 3), np.uint8)
    content = io.BytesIO()
    Image.fromarray(pixels).save(content, "jpeg" if kind == "jpeg" else "png")
    path = tmp_path / f"image.{'png' if kind == 'mask' else kind}"
    path.write_bytes(mutated(content.getvalue(), changes))
    read: Callable[[Path], Any] = read_mask if kind == "mask" else read_image
    try:
        assert read(path).dtype == np.uint8
    except DataError as error:
        names(error, str(path))


def test_an_image_that_unfolds_to_gigabytes_is_refused_before_it_is_decoded(tmp_path: Path) -> None:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big")

    header = (60_000).to_bytes(4, "big") * 2 + bytes([8, 2, 0, 0, 0])
    rows = zlib.compress(bytes(10_000_000))
    bomb = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
    (tmp_path / "bomb.png").write_bytes(bomb)
    for read in (read_image, read_mask):
        with pytest.raises(DataError, match="decompression"):
            read(tmp_path / "bomb.png")


@FUZZ
@given(content=st.binary(max_size=60) | VALUES.map(lambda value: json.dumps(value).encode()))
def test_classes_files(tmp_path: Path, content: bytes) -> None:
    for split in ("train", "val"):
        for kind in ("images", "masks"):
            folder = tmp_path / "data" / split / kind
            folder.mkdir(parents=True, exist_ok=True)
            Image.new("L", (4, 4)).save(folder / "0.png")
    (tmp_path / "data" / "classes.json").write_bytes(content)
    try:
        open_dataset("folder", path=tmp_path / "data", image_size=(32, 32))
    except DataError as error:
        names(error, "classes")


@FUZZ
@given(changes=CHANGES, name=st.sampled_from(["trials.csv", "epochs.csv", "driver.json", "study.toml.bak"]))
def test_studies_that_are_looked_at(study_copy: Path, changes: list[tuple[float, bytes]], name: str) -> None:
    path = study_copy / name
    before = path.read_bytes() if path.exists() else b'{"process": 1, "host": "a", "started": "x"}'
    path.write_bytes(mutated(before, changes))
    try:
        show_status(study_copy)
    finally:
        path.write_bytes(before) if name != "driver.json" else path.unlink()


@FUZZ
@given(value=VALUES, changes=CHANGES)
def test_checkpoints_and_json(tmp_path: Path, value: Any, changes: list[tuple[float, bytes]]) -> None:
    state = {"weights": "../../x", "bytes": 3, "state": {"epoch": 1, "rows": [{"epoch": 1}], "best_epoch": 1}}
    for content in (json.dumps(value).encode(), mutated(json.dumps(state).encode(), changes)):
        (tmp_path / "state.json").write_bytes(content)
        read_json(tmp_path / "state.json")
        read_state(tmp_path)
        weights = weights_file(tmp_path)
        assert weights is None or weights.parent == tmp_path
        read_csv(tmp_path / "state.json")


@settings(FUZZ, max_examples=3)
@given(changes=CHANGES)
def test_weights_of_a_trial(study_copy: Path, changes: list[tuple[float, bytes]]) -> None:
    trial = trained_trial(Study(study_copy), None)
    (weights,) = (study_copy / f"trial_{trial.trial_id}" / "best").glob("*.weights.h5")
    before = weights.read_bytes()
    weights.write_bytes(mutated(before, changes))
    try:
        load_model(Study(study_copy), trial)
    except UserError as error:
        names(error, str(study_copy))
    finally:
        weights.write_bytes(before)


def huge_arrays(path: Path) -> None:
    """A few kilobytes that claim a petabyte: no chunk of the array is stored."""
    with h5py.File(path, "w") as file:
        group = file.create_group("layers/conv/vars")
        group.attrs["name"] = "conv"
        group.create_dataset("0", shape=(1 << 24, 1 << 24), dtype="float32", chunks=(1024, 1024), compression="gzip")


def test_weights_that_unfold_to_more_than_any_network_are_refused(tmp_path: Path) -> None:
    huge_arrays(tmp_path / "bomb.weights.h5")
    with pytest.raises(EncoderWeightsError, match=r"decompresses to .* GB"):
        check_encoder_weights("MobileNetV2", tmp_path / "bomb.weights.h5")

    with zipfile.ZipFile(tmp_path / "bomb.keras", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("config.json", "{}")
        with archive.open("model.weights.h5", "w", force_zip64=True) as entry:
            entry.write(bytes(1 << 20))
    # The directory at the end says how large an entry is; a real one of that size would take minutes to write.
    content = bytearray((tmp_path / "bomb.keras").read_bytes())
    at = content.rfind(b"PK\x01\x02")
    content[at + 24 : at + 28] = min(MOST_BYTES * 2, 0xFFFFFFFE).to_bytes(4, "little")
    (tmp_path / "bomb.keras").write_bytes(content)
    for refused, load in (
        (EncoderWeightsError, lambda path: check_encoder_weights("MobileNetV2", path)),
        (UserError, load_predictor),
    ):
        with pytest.raises(refused):
            load(tmp_path / "bomb.keras")


def test_a_model_that_would_run_code_is_refused(tmp_path: Path) -> None:
    """Keras's safe mode: a lambda layer is a program, and comes from whoever made the file."""
    import keras

    model = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Lambda(lambda x: x * 2)])
    model.save(tmp_path / "model.keras")
    with pytest.raises(UserError, match="cannot be loaded as a Keras model"):
        load_predictor(tmp_path / "model.keras")


def test_no_pickle_is_loaded() -> None:
    """Nothing that reads files imports a library that runs what it reads."""
    root = Path(__file__).parents[2]
    for folder in ("search", "datasets", "deeplab"):
        for path in (root / folder).rglob("*.py"):
            text = path.read_text()
            for word in ("import pickle", "allow_pickle=True", "safe_mode=False", "yaml.load", "eval(", "exec("):
                assert word not in text, f"{path}: {word}"
