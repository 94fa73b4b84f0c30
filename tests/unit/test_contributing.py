"""The examples of CONTRIBUTING.md work as they stand: each keeps what its contract promises."""

from __future__ import annotations

import importlib.util
import pkgutil
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from search.oracle.factory import make_oracle, preview
from search.oracle.latency import LatencyMeter
from search.oracle.limits import Limits
from search.oracle.points import NOTHING
from search.study.choices import SAMPLERS, load_choice
from search.study.reading import parse_config
from space import Space
from tests.contracts.executor import ExecutorContract, make_config
from tests.contracts.exporter import ExporterContract
from tests.contracts.format import StoredFormatContract
from tests.contracts.sampler import SamplerContract

PAGE = Path(__file__).resolve().parents[2] / "CONTRIBUTING.md"
EXAMPLE = re.compile(
    r"^### (?P<title>.+?)\n.+?\sIn\s`(?P<file>[\w/]+\.py)`:\n\n```python\n(?P<source>.+?)```\n\n"
    r"In `(?P<table>\w+)` of `(?P<home>[\w/]+\.py)`:\n\n"
    r"```python\n    \"(?P<name>\w+)\": \"(?P<target>[\w.:]+)\",\n```",
    re.DOTALL | re.MULTILINE,
)
TOO_LONG = 40
HYPERBAND = {"max_epochs": 9, "sampler": "kronecker", "baseline": False}

# Loads a module from a file as if it lay in the project, and names it in a table.
INSTALL = (
    "import importlib.util, pkgutil, sys; spec = importlib.util.spec_from_file_location({module!r}, {file!r}); "
    "sys.modules[{module!r}] = module = importlib.util.module_from_spec(spec); spec.loader.exec_module(module); "
    "pkgutil.resolve_name({table!r})[{name!r}] = {target!r}"
)


class Example(NamedTuple):
    """A module, and the line that names it in a table."""

    file: str
    source: str
    table: str
    name: str
    target: str

    @property
    def module(self) -> str:
        return module_of(self.file)


def module_of(file: str) -> str:
    return file.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


EXAMPLES = {
    found["title"]: Example(
        found["file"], found["source"], f"{module_of(found['home'])}:{found['table']}", found["name"], found["target"]
    )
    for found in EXAMPLE.finditer(PAGE.read_text(encoding="utf-8"))
}


@pytest.fixture
def install(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], str]:
    """Puts an example where the page says; returns the statement that does so in another process."""

    def put(title: str) -> str:
        example = EXAMPLES[title]
        file = tmp_path_factory.mktemp("project") / Path(example.file).name
        file.write_text(example.source, encoding="utf-8")
        spec = importlib.util.spec_from_file_location(example.module, file)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        monkeypatch.setitem(sys.modules, example.module, module)
        spec.loader.exec_module(module)
        monkeypatch.setitem(pkgutil.resolve_name(example.table), example.name, example.target)
        return INSTALL.format(
            module=example.module, file=str(file), table=example.table, name=example.name, target=example.target
        )

    return put


def test_there_is_an_example_of_each() -> None:
    assert list(EXAMPLES) == ["A format", "A sampler", "An executor", "An exporter"]


@pytest.mark.parametrize("title", EXAMPLES)
def test_an_example_is_short_and_its_line_names_it(title: str) -> None:
    example = EXAMPLES[title]
    assert len(example.source.splitlines()) < TOO_LONG
    assert example.target.startswith(f"{example.module}:")
    assert not (PAGE.parent / example.file).exists()


class TestFormat(StoredFormatContract):
    name = "npz"

    @pytest.fixture(autouse=True)
    def _installed(self, install: Callable[[str], str]) -> None:
        install("A format")

    def make(self, folder: Path) -> dict[str, Any]:
        random = np.random.default_rng(0)
        for split in ("train", "val"):
            images = random.integers(0, 256, (3, 24, 32, 3), np.uint8)
            np.savez(folder / f"{split}.npz", images=images, masks=random.integers(0, 3, (3, 24, 32), np.uint8))
        return {"path": folder, "classes": 3}

    def change(self, folder: Path) -> None:
        with np.load(folder / "train.npz") as arrays:
            images, masks = arrays["images"], arrays["masks"]
        images[0, 5, 7] ^= 1
        np.savez(folder / "train.npz", images=images, masks=masks)

    def damage(self, folder: Path) -> Path:
        file = folder / "val.npz"
        file.write_bytes(file.read_bytes()[:500])
        return file

    def mislabel(self, folder: Path) -> Path:
        file = folder / "train.npz"
        np.savez(file, images=np.zeros((2, 24, 32, 3), np.uint8), masks=np.full((2, 24, 32), 3, np.uint8))
        return file


class TestSampler(SamplerContract):
    name = "kronecker"

    @pytest.fixture(autouse=True)
    def _installed(self, install: Callable[[str], str]) -> None:
        install("A sampler")

    def test_a_study_draws_what_it_proposes(self) -> None:
        searched = {"aspp_filters": {"min": 8, "max": 4096}, "decoder_depth": [0, 1, 2]}
        config = parse_config({**make_config("local"), "hyperband": HYPERBAND, "space": searched}, "test")
        space = Space.parse(config.ranges(), recipe=config.recipe, image_size=config.data.image_size)
        limits = Limits(config, space, 6, LatencyMeter(config.data.image_size, 6))
        drawn = preview(make_oracle(config, space, limits), config, space)
        sampler = load_choice(SAMPLERS, self.name)(space.hyperparameters(), config.study.seed)
        assert drawn == [sampler.propose(number, 0, NOTHING) for number in range(len(drawn))]


class TestExecutor(ExecutorContract):
    name = "spawn"

    @pytest.fixture(autouse=True)
    def _installed(self, install: Callable[[str], str]) -> None:
        self.preparation = install("An executor")


class TestExporter(ExporterContract):
    name = "hdf5"

    @pytest.fixture(autouse=True)
    def _installed(self, install: Callable[[str], str]) -> None:
        install("An exporter")
