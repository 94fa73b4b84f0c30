"""Imports point one way: `search -> space -> deeplab` and `search -> datasets`."""

from __future__ import annotations

import ast
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

# What each part may import of the others. Import-linter would say the same, but takes no single-file modules.
ALLOWED: dict[str, set[str]] = {
    "deeplab": set(),
    "datasets": set(),
    "recipe": {"deeplab"},
    "hyperparameters": {"deeplab"},
    "space": {"deeplab", "hyperparameters", "recipe"},
    "search": {"datasets", "deeplab", "hyperparameters", "recipe", "space"},
}
OUTSIDE = {"tests", "benchmarks"}


def imported(source: str) -> Iterator[tuple[int, str]]:
    """Line and top-level name of every import, also those in functions and for types only."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name.partition(".")[0]) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield node.lineno, node.module.partition(".")[0]


def modules_of(part: str) -> list[Path]:
    single = ROOT / f"{part}.py"
    return [single] if single.exists() else sorted((ROOT / part).rglob("*.py"))


@pytest.mark.parametrize("part", sorted(ALLOWED))
def test_imports_only_what_lies_below(part: str) -> None:
    forbidden = (set(ALLOWED) | OUTSIDE) - ALLOWED[part] - {part}
    modules = modules_of(part)
    wrong = [
        f"{path.relative_to(ROOT)}:{line} imports {name}"
        for path in modules
        for line, name in imported(path.read_text(encoding="utf-8"))
        if name in forbidden
    ]
    assert modules
    assert wrong == []


def test_every_part_has_its_place_and_is_installed() -> None:
    single = {path.stem for path in ROOT.glob("*.py")}
    packages = {path.parent.name for path in ROOT.glob("*/__init__.py")}
    assert single | packages - OUTSIDE == set(ALLOWED)

    setuptools = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]
    assert set(setuptools["py-modules"]) == single
    assert set(setuptools["packages"]["find"]["include"]) == {f"{package}*" for package in packages - OUTSIDE}


def test_finds_imports_wherever_they_stand() -> None:
    source = (
        "import os, search.cli\ndef f():\n    from space import x\nif TYPE_CHECKING:\n    import datasets.folder as d\n"
    )
    assert set(imported(source)) == {(1, "os"), (1, "search"), (3, "space"), (5, "datasets")}
