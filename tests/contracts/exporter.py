"""What every exporter promises. An exporter's own test says how its models are asked."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pytest

from search.errors import UserError
from search.exporters import EXPORTERS, Exporter, check_target, export_model, load_exporter
from tests.integration.program import listing

SIDE = 16


def small_network(seed: int) -> keras.Model:
    """RGB images 0-255 [B, 16, 16, 3] to probabilities [B, 16, 16, 2]; other weights from each seed."""
    keras.utils.set_random_seed(seed)
    layers = keras.layers
    inputs = keras.Input((SIDE, SIDE, 3))
    features = layers.Conv2D(4, 3, padding="same")(layers.Rescaling(1 / 127.5, offset=-1)(inputs))
    return keras.Model(inputs, layers.Conv2D(2, 1, activation="softmax")(layers.BatchNormalization()(features)))


class Failing:
    """An exporter that writes everything and then fails."""

    def __init__(self, exporter: Exporter) -> None:
        self.name, self.may_replace, self._exporter = exporter.name, exporter.may_replace, exporter

    def write(self, model: keras.Model, path: Path) -> None:
        self._exporter.write(model, path)
        raise KeyboardInterrupt


class ExporterContract:
    """Subclass it, as `TestX`."""

    name: str
    """In `EXPORTERS`."""

    def answers(self, path: Path, images: np.ndarray) -> np.ndarray:
        """What the model that was written to `path` answers to images float32 [B, 16, 16, 3]."""
        raise NotImplementedError

    @pytest.fixture
    def exporter(self) -> Exporter:
        return load_exporter(self.name)

    def assert_same_answers(self, path: Path, model: keras.Model) -> None:
        images = np.random.default_rng(0).uniform(0, 255, (3, SIDE, SIDE, 3)).astype(np.float32)
        expected = np.asarray(model(images, training=False))
        np.testing.assert_allclose(self.answers(path, images), expected, atol=1e-5)

    def test_no_two_exporters_write_to_one_name(self) -> None:
        names = [load_exporter(name).name for name in EXPORTERS]
        assert len(set(names)) == len(names)

    def test_it_writes_the_path_it_is_given_and_nothing_else(self, exporter: Exporter, tmp_path: Path) -> None:
        exporter.write(small_network(0), tmp_path / f"new-{exporter.name}")
        assert [path.name for path in tmp_path.iterdir()] == [f"new-{exporter.name}"]

    def test_what_it_writes_answers_as_the_model(self, exporter: Exporter, tmp_path: Path) -> None:
        model = small_network(0)
        path = export_model(exporter, model, tmp_path)
        assert path == tmp_path / exporter.name
        self.assert_same_answers(path, model)

    def test_it_takes_the_place_of_an_earlier_export(self, exporter: Exporter, tmp_path: Path) -> None:
        for seed in (0, 1):
            check_target(exporter, tmp_path)
            path = export_model(exporter, small_network(seed), tmp_path)
        self.assert_same_answers(path, small_network(1))
        assert list(tmp_path.iterdir()) == [path]

    def test_an_interrupted_export_leaves_the_earlier_one_whole(self, exporter: Exporter, tmp_path: Path) -> None:
        path = export_model(exporter, small_network(0), tmp_path)
        before = listing(tmp_path)
        with pytest.raises(KeyboardInterrupt):
            export_model(Failing(exporter), small_network(1), tmp_path)
        assert listing(tmp_path) == before
        self.assert_same_answers(path, small_network(0))

    def test_it_refuses_the_place_of_something_else(self, exporter: Exporter, tmp_path: Path) -> None:
        other = tmp_path / exporter.name / "thesis.txt"
        other.parent.mkdir()
        other.write_text("years of work")
        with pytest.raises(UserError, match=f"{exporter.name} exists and is not an earlier export; move it away"):
            check_target(exporter, tmp_path)
        assert other.read_text() == "years of work"
