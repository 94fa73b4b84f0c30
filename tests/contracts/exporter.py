"""What every exporter promises."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from search.errors import UserError
from search.exporters import EXPORTERS, Details, Exporter, file_names, load_exporter
from search.exporters.placing import check_target, export_model
from tests.integration.program import listing

SIDE = 16


def small_network(seed: int) -> keras.Model:
    """RGB images 0-255 [B, 16, 16, 3] to probabilities [B, 16, 16, 2]; other weights from each seed."""
    keras.utils.set_random_seed(seed)
    layers = keras.layers
    inputs = keras.Input((SIDE, SIDE, 3), name="image")
    features = layers.Conv2D(4, 3, padding="same")(layers.Rescaling(1 / 127.5, offset=-1)(inputs))
    return keras.Model(inputs, layers.Conv2D(2, 1, activation="softmax")(layers.BatchNormalization()(features)))


def pictures() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (8, SIDE, SIDE, 3), np.uint8)


def training_images() -> Iterator[np.ndarray]:
    yield from pictures()


# What `export` gives of a study.
DETAILS = Details({"classes": ["land", "sea"], "outputs": 2}, 'classes = ["land", "sea"]\n', training_images)


class Failing:
    """An exporter that writes everything and then is interrupted."""

    def __init__(self, exporter: Exporter) -> None:
        self._exporter = exporter

    def __getattr__(self, name: str) -> Any:
        return getattr(self._exporter, name)

    def write(self, model: keras.Model, path: Path, details: Details) -> None:
        self._exporter.write(model, path, details)
        raise KeyboardInterrupt


def answers(exporter: Exporter, folder: Path, images: np.ndarray, threads: int | None = None) -> np.ndarray:
    """What the model in `folder` answers, by the code that the exporter gives to load it."""
    names: dict[str, Any] = {}
    with contextlib.chdir(folder), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the runtimes' own
        exec(compile(exporter.loading(threads), "loading", "exec"), names)
        return np.asarray(names["predict"](images.astype(np.float32)))


class ExporterContract:
    """Subclass it, as `TestX`."""

    name: str
    """In `EXPORTERS`."""

    @pytest.fixture
    def exporter(self) -> Exporter:
        try:
            return load_exporter(self.name)
        except UserError as error:
            pytest.skip(str(error))

    def assert_same_answers(self, exporter: Exporter, folder: Path, model: keras.Model) -> None:
        """Within the format's tolerance; a format that changes the network keeps most of it."""
        images = pictures()
        expected = np.asarray(model(images.astype(np.float32), training=False))
        found = answers(exporter, folder, images)
        np.testing.assert_allclose(found, expected, atol=exporter.tolerance or 0.1)
        if exporter.tolerance is None:
            assert np.abs(found - expected).mean() < 0.02

    def test_no_two_exporters_write_to_one_name(self) -> None:
        names = file_names()
        assert len(set(names)) == len(names) == len(EXPORTERS)

    def test_it_writes_the_path_it_is_given_and_nothing_else(self, exporter: Exporter, tmp_path: Path) -> None:
        exporter.write(small_network(0), tmp_path / f"new-{exporter.name}", DETAILS)
        assert [path.name for path in tmp_path.iterdir()] == [f"new-{exporter.name}"]

    def test_what_it_writes_answers_as_the_model_in_batches_of_any_size(
        self, exporter: Exporter, tmp_path: Path
    ) -> None:
        model = small_network(0)
        path = export_model(exporter, model, tmp_path, DETAILS)
        assert path == tmp_path / exporter.name
        self.assert_same_answers(exporter, tmp_path, model)
        images = pictures()
        together = answers(exporter, tmp_path, images)
        assert together.shape == (8, SIDE, SIDE, 2)
        for index in (0, 7):
            alone = answers(exporter, tmp_path, images[index : index + 1])
            np.testing.assert_allclose(alone[0], together[index], atol=1e-6)

    def test_an_earlier_export_stays_whole_until_the_new_one_is(self, exporter: Exporter, tmp_path: Path) -> None:
        path = export_model(exporter, small_network(0), tmp_path, DETAILS)
        before = listing(tmp_path)
        with pytest.raises(KeyboardInterrupt):
            export_model(Failing(exporter), small_network(1), tmp_path, DETAILS)
        assert listing(tmp_path) == before
        check_target(exporter, tmp_path)
        export_model(exporter, small_network(1), tmp_path, DETAILS)
        assert list(tmp_path.iterdir()) == [path]
        self.assert_same_answers(exporter, tmp_path, small_network(1))

    def test_it_refuses_the_place_of_something_else(self, exporter: Exporter, tmp_path: Path) -> None:
        other = tmp_path / exporter.name / "thesis.txt"
        other.parent.mkdir()
        other.write_text("years of work")
        with pytest.raises(UserError, match=f"{exporter.name} exists and is not an earlier export; move it away"):
            check_target(exporter, tmp_path)
        assert other.read_text() == "years of work"
