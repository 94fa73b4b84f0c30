"""The exporters keep what every exporter promises, and each what its format is for."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import zipfile
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from deeplab import Architecture, build_model
from search.errors import UserError
from search.exporters import EXPORTERS, Exporter, load_exporter, placing
from search.exporters.onnx_file import OPSET
from search.exporters.placing import export_model
from search.system import exchange
from tests.contracts.exporter import DETAILS, SIDE, ExporterContract, Failing, answers, pictures, small_network
from tests.integration.program import listing

# Few layers to trace: it ends at the encoder's first layer of stride 8.
SHALLOW = Architecture(
    encoder="MobileNetV2",
    output_stride=8,
    aspp_tap="block_3_project_BN",
    aspp_filters=4,
    aspp_rates=(2,),
    decoder_filters=4,
    low_level_filters=4,
)


class TestKerasFile(ExporterContract):
    name = "keras"


class TestSavedModel(ExporterContract):
    name = "savedmodel"

    def test_its_signature_is_the_one_that_is_documented(self, exporter: Exporter, tmp_path: Path) -> None:
        export_model(exporter, small_network(0), tmp_path)
        serve = tf.saved_model.load(str(tmp_path / "savedmodel")).signatures["serving_default"]
        assert list(serve.structured_input_signature[1]) == ["image"]
        assert list(serve.structured_outputs) == ["output_0"]


class TestOnnxFile(ExporterContract):
    name = "onnx"

    def test_it_says_what_it_is(self, exporter: Exporter, tmp_path: Path) -> None:
        import onnx

        written = onnx.load(export_model(exporter, small_network(0), tmp_path, DETAILS))
        assert {entry.domain: entry.version for entry in written.opset_import}[""] == OPSET
        texts = {entry.key: entry.value for entry in written.metadata_props}
        assert json.loads(texts["classes"]) == ["land", "sea"]
        assert [part.name for part in (*written.graph.input, *written.graph.output)] == ["image", "output"]
        sides = written.graph.input[0].type.tensor_type.shape.dim
        assert [side.dim_param or side.dim_value for side in sides] == ["batch", SIDE, SIDE, 3]


@pytest.mark.parametrize("name", ["onnx", "litert"])
def test_grouped_convolutions_and_gelu_are_known(name: str, tmp_path: Path) -> None:
    """What ConvNeXt is made of, which tf2onnx does not know by itself."""
    keras.utils.set_random_seed(0)
    inputs = keras.Input((SIDE, SIDE, 3), name="image")
    features = keras.layers.Conv2D(6, 5, groups=3, padding="same")(keras.layers.Rescaling(1 / 127.5, offset=-1)(inputs))
    features = keras.layers.Activation("gelu")(keras.layers.LayerNormalization()(features))
    model = keras.Model(inputs, keras.layers.Conv2D(2, 1, activation="softmax")(features))
    exporter = load_exporter(name)
    export_model(exporter, model, tmp_path)
    expected = model(pictures().astype(np.float32), training=False)
    np.testing.assert_allclose(answers(exporter, tmp_path, pictures()), expected, atol=1e-5)


class TestLiteRt(ExporterContract):
    name = "litert"

    def test_its_labels_are_in_it(self, exporter: Exporter, tmp_path: Path) -> None:
        with zipfile.ZipFile(export_model(exporter, small_network(0), tmp_path, DETAILS)) as archive:
            assert archive.read("labels.toml").decode() == DETAILS.labels_text


class TestLiteRtFloat16(ExporterContract):
    name = "litert-float16"


class TestLiteRtInt8(ExporterContract):
    name = "litert-int8"

    def test_all_that_it_computes_is_in_int8(self, exporter: Exporter, tmp_path: Path) -> None:
        from ai_edge_litert.interpreter import Interpreter

        interpreter = Interpreter(str(export_model(exporter, small_network(0), tmp_path, DETAILS)))
        floats = [part["name"] for part in interpreter.get_tensor_details() if part["dtype"] == np.float32]
        assert len(floats) == 2, "the input and the output"


@pytest.mark.parametrize("name", ["savedmodel", "onnx"])
def test_networks_for_any_size_take_any_size(name: str, tmp_path: Path) -> None:
    keras.utils.set_random_seed(0)
    model = build_model(SHALLOW, (None, None), 3)
    exporter = load_exporter(name)
    export_model(exporter, model, tmp_path)
    for batch, size in ((1, (64, 64)), (8, (33, 50))):
        images = np.random.default_rng(0).integers(0, 256, (batch, *size, 3), np.uint8)
        found = answers(exporter, tmp_path, images)
        expected = model(images.astype(np.float32), training=False)
        np.testing.assert_allclose(found, expected, atol=exporter.tolerance or 0)


@pytest.mark.parametrize("name", [name for name in EXPORTERS if name != "litert-float16"])
def test_it_computes_with_as_many_threads_as_it_is_told(name: str) -> None:
    assert "7" in load_exporter(name).loading(7)
    assert "7" not in load_exporter(name).loading()


def test_a_format_that_does_not_exist_is_unknown() -> None:
    with pytest.raises(UserError, match=r"^--format: given 'tflite'; allowed are keras, savedmodel, onnx, litert"):
        load_exporter("tflite")


def test_a_format_whose_package_is_missing_says_which(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(EXPORTERS, "onnx", "no_such_package.onnx:Onnx")
    with pytest.raises(UserError, match="'onnx' needs the package no_such_package, which is not installed"):
        load_exporter("onnx")


def test_a_runtime_that_is_missing_is_named_with_the_command_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    exporter = type(load_exporter("onnx"))
    monkeypatch.setattr(exporter, "packages", ("onnx", "no_such_package"))
    with pytest.raises(
        UserError, match=r"not installed: no_such_package\. Install them: pip install -e '\.\[export\]'"
    ):
        load_exporter("onnx")


def test_an_interrupted_first_export_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        export_model(Failing(load_exporter("keras")), small_network(1), tmp_path / "new", DETAILS)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["keras", "onnx"])
def test_a_full_disk_is_said_so_and_leaves_the_earlier_export(name: str, tmp_path: Path) -> None:
    exporter = load_exporter(name)
    export_model(exporter, small_network(0), tmp_path)
    before = listing(tmp_path)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
    try:
        with pytest.raises(UserError, match=r"cannot be written: .*Choose another --to"):
            export_model(exporter, small_network(1), tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert listing(tmp_path) == before


def test_what_a_killed_export_left_is_removed_and_what_another_one_writes_is_not(tmp_path: Path) -> None:
    ended = subprocess.Popen(["true"])
    ended.wait()
    left, another = (tmp_path / f".export.{process}.tmp" for process in (ended.pid, os.getppid()))
    for folder in (left, another):
        folder.mkdir()
        (folder / "model.keras").touch()
    export_model(load_exporter("keras"), small_network(0), tmp_path)
    assert not left.exists()
    assert (another / "model.keras").exists()


@pytest.mark.parametrize("can_exchange", [True, False])
def test_a_folder_is_replaced_whether_or_not_the_system_can_exchange_two(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, can_exchange: bool
) -> None:
    if not can_exchange:
        monkeypatch.setattr(exchange, "_exchange", lambda one, other: False)
    for name in ("new", "old"):
        (tmp_path / name).mkdir()
        (tmp_path / name / name).touch()
    exchange.put_in_place(tmp_path / "new", tmp_path / "old")
    assert sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*")) == [
        "new",
        "new/old",
        "old",
        "old/new",
    ]


def test_an_interruption_waits_until_all_files_are_in_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "staged").mkdir()
    (tmp_path / "target").mkdir()
    written = [tmp_path / "staged" / name for name in "abc"]
    for path in written:
        path.touch()

    def interrupted(new: Path, path: Path) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        exchange.put_in_place(new, path)

    monkeypatch.setattr(placing, "put_in_place", interrupted)
    # Processes that pytest-xdist starts ignore the signal.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            placing.place(written, tmp_path / "target")
    finally:
        signal.signal(signal.SIGINT, before)
    assert sorted(path.name for path in (tmp_path / "target").iterdir()) == ["a", "b", "c"]
