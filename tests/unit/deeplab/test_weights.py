"""Encoder weights from files: which match, which are refused, and the messages."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from deeplab import Architecture, EncoderWeightsError, build_model, check_encoder_weights, encoder_layers
from deeplab.encoders import encoder_entry
from deeplab.weights import load_encoder

IMAGENET = Path(__file__).parents[4] / "shared/data/weights/mobilenetv2_1.0_224_slim_notop.weights.h5"
SMALL = Architecture(encoder="MobileNetV2", output_stride=8, aspp_filters=8, decoder_filters=8)


@pytest.fixture(scope="module")
def trained() -> keras.Model:
    """A whole network with its classifier, as a user might have saved it."""
    return keras.applications.MobileNetV2(weights=None, classes=7, input_shape=(96, 96, 3))


@pytest.mark.filterwarnings("ignore")  # Keras's, about its legacy format
@pytest.mark.parametrize("name", ["w.weights.h5", "w.keras", "w.h5"])
def test_every_format_with_the_classifier_on_top(trained: keras.Model, tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    save: Any = trained.save_weights if name.endswith(".weights.h5") else trained.save
    save(path)
    model = build_model(SMALL, (64, 64), 1, encoder_weights=path)
    assert len(encoder_layers(model)) > 70
    for layer in encoder_layers(model):
        for ours, theirs in zip(layer.get_weights(), trained.get_layer(layer.name).get_weights(), strict=True):
            np.testing.assert_array_equal(ours, theirs)


@pytest.mark.skipif(not IMAGENET.exists(), reason=f"no {IMAGENET}")
def test_imagenet_features_come_through_the_preprocessing() -> None:
    check_encoder_weights("MobileNetV2", IMAGENET)
    reference = keras.applications.MobileNetV2(weights=None, include_top=False, input_shape=(96, 96, 3))
    reference.load_weights(IMAGENET)
    x = np.random.default_rng(0).uniform(0, 255, (1, 96, 96, 3)).astype("float32")
    for output_stride, step in [(16, 1), (8, 2)]:
        architecture = SMALL.model_copy(update={"output_stride": output_stride})
        model = build_model(architecture, (96, 96), 1, encoder_weights=str(IMAGENET))
        ours = keras.Model(model.input, model.get_layer("block_12_add").output)(x)
        theirs = keras.Model(reference.input, reference.get_layer("block_12_add").output)(x / 127.5 - 1)
        np.testing.assert_allclose(ours[:, ::step, ::step], theirs, atol=1e-4)


@pytest.mark.filterwarnings("ignore")  # Keras's, about its legacy format
@pytest.mark.parametrize("encoder", ["MobileNetV3Small", "ConvNeXtTiny"])
def test_kerass_own_file_fits_whatever_it_calls_its_layers(encoder: str, tmp_path: Path) -> None:
    """Some of Keras's files are older than its layer names, and nested layers form one entry."""
    theirs = getattr(keras.applications, encoder)(weights=None, include_top=False, input_shape=(64, 64, 3))
    expected = [value for layer in theirs.layers for value in layer.get_weights()]
    for layer in theirs.layers:
        layer.name = layer.name.replace("_", "/")
    theirs.save(tmp_path / "no_top.h5")
    loaded = load_encoder(encoder_entry(encoder), tmp_path / "no_top.h5")
    ours = [value for layer in loaded.layers for value in layer.get_weights()]
    for one, other in zip(ours, expected, strict=True):
        np.testing.assert_array_equal(one, other)


ASK_FOR_IMAGENET = """
import shutil, sys, time
import numpy as np
from keras.src.utils import file_utils
from deeplab import Architecture, build_model, check_encoder_weights

def slow_download(origin, filename, *_):
    with open("downloads.txt", "a") as log:
        print(origin, file=log)
    time.sleep(2)
    shutil.copy("original.h5", filename)

file_utils.urlretrieve = slow_download
while not shutil.os.path.exists("go"):
    time.sleep(0.01)
check_encoder_weights("MobileNetV2", "imagenet")
small = Architecture(encoder="MobileNetV2", aspp_tap="stage3", output_stride=8, aspp_filters=8, decoder_filters=8)
model = build_model(small, (64, 64), 1, encoder_weights="imagenet")
np.save(sys.argv[1], model.get_layer("Conv1").get_weights()[0])
"""


@pytest.mark.grid
@pytest.mark.filterwarnings("ignore")  # Keras's, about its legacy format
def test_two_processes_that_ask_at_once_download_once(tmp_path: Path) -> None:
    """From Keras's cache, which is empty at first, with a local file in place of the download."""
    original = keras.applications.MobileNetV2(weights=None, include_top=False, input_shape=(96, 96, 3))
    original.save(tmp_path / "original.h5")
    environment = {**os.environ, "KERAS_HOME": str(tmp_path / "home"), "PYTHONPATH": str(Path(__file__).parents[3])}
    command = [sys.executable, "-c", ASK_FOR_IMAGENET]
    started = [
        subprocess.Popen([*command, f"{index}.npy"], cwd=tmp_path, env=environment, stderr=subprocess.PIPE, text=True)
        for index in range(2)
    ]
    (tmp_path / "go").touch()
    for process in started:
        _, error = process.communicate(timeout=250)
        assert process.returncode == 0, error
    name = "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_224_no_top.h5"
    assert (tmp_path / "home/models" / name).is_file()
    (download,) = (tmp_path / "downloads.txt").read_text().splitlines()
    assert download.endswith(name)
    for index in range(2):
        np.testing.assert_array_equal(np.load(tmp_path / f"{index}.npy"), original.get_layer("Conv1").get_weights()[0])


def test_missing_file_is_refused() -> None:
    with pytest.raises(EncoderWeightsError, match=r"'nowhere\.h5': no such file"):
        check_encoder_weights("ResNet50", "nowhere.h5")


@pytest.mark.parametrize("name", ["w.weights.h5", "w.keras", "w.h5"])
def test_unreadable_file_is_refused(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_text("not a weights file")
    with pytest.raises(EncoderWeightsError, match="cannot be read"):
        check_encoder_weights("MobileNetV2", path)


def test_other_suffixes_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "weights.pt"
    path.touch()
    with pytest.raises(EncoderWeightsError, match=r"must end in \.weights\.h5, \.keras, \.h5"):
        check_encoder_weights("MobileNetV2", path)


def test_other_encoder_is_refused(trained: keras.Model, tmp_path: Path) -> None:
    path = tmp_path / "w.weights.h5"
    trained.save_weights(path)
    with pytest.raises(EncoderWeightsError, match="not those of ResNet50: layer 'conv1_conv' is missing"):
        check_encoder_weights("ResNet50", path)


def test_other_width_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "w.weights.h5"
    keras.applications.MobileNetV2(weights=None, include_top=False, alpha=0.35, input_shape=(96, 96, 3)).save_weights(
        path
    )
    with pytest.raises(EncoderWeightsError, match=r"layer 'Conv1' has shapes \[\(3, 3, 3, 16\)\] in the file"):
        check_encoder_weights("MobileNetV2", path)


def test_impossible_download_names_the_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def unreachable(name: str, origin: str, **_: Any) -> str:
        raise Exception(f"URL fetch failure on {origin}")  # what Keras raises

    monkeypatch.setattr("keras.src.utils.file_utils.get_file", unreachable)
    with pytest.raises(
        EncoderWeightsError, match=r"MobileNetV2 could not be obtained: .*1\.0_224_no_top\.h5.*\.keras/models"
    ):
        build_model(SMALL, (64, 64), 1, encoder_weights="imagenet")


def test_no_weights_need_no_check() -> None:
    check_encoder_weights("ResNet50", None)
    with pytest.raises(ValueError, match="unknown encoder"):
        check_encoder_weights("ResNet51", None)
