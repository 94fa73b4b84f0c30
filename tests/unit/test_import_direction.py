"""Imports point one way: `search -> space -> deeplab`, `search -> datasets`, and downwards through search's rooms."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from tests.unit.structure import (
    LEVELS,
    Module,
    import_circle,
    imports_from,
    read_modules,
    too_long,
    upward_imports,
)

ROOT = Path(__file__).resolve().parents[2]

# What each part may import of the others. Import-linter would say the same, but takes no single-file modules.
ALLOWED: dict[str, set[str]] = {
    "deeplab": set(),
    "datasets": set(),
    "recipe": {"deeplab"},
    "hyperparameters": {"deeplab", "recipe"},
    "space": {"deeplab", "hyperparameters", "recipe"},
    "search": {"datasets", "deeplab", "hyperparameters", "recipe", "space"},
}
OUTSIDE = {"tests", "benchmarks"}
SHIPPED = read_modules(ROOT, *ALLOWED)
SEARCH = read_modules(ROOT, "search")


@pytest.mark.parametrize("part", sorted(ALLOWED))
def test_imports_only_what_lies_below(part: str) -> None:
    modules = read_modules(ROOT, part)
    assert modules
    assert imports_from(modules, (set(ALLOWED) | OUTSIDE) - ALLOWED[part] - {part}) == []


def test_benchmarks_import_no_tests() -> None:
    modules = read_modules(ROOT, "benchmarks")
    assert modules
    assert imports_from(modules, {"tests"}) == []


def test_search_holds_its_rooms_and_nothing_else() -> None:
    rooms = {path.parent.name for path in (ROOT / "search").glob("*/*.py")}
    modules = {path.name for path in (ROOT / "search").glob("*.py")}
    assert rooms == set(LEVELS)
    assert modules == {"__init__.py", "__main__.py", "cli.py", "errors.py"}


def test_rooms_of_search_import_only_what_lies_below() -> None:
    assert upward_imports(SEARCH) == []


def test_no_modules_import_each_other_in_a_circle() -> None:
    assert import_circle(SHIPPED) == []


def test_modules_and_functions_are_short() -> None:
    assert too_long(SHIPPED) == []


def test_every_part_has_its_place_and_is_installed() -> None:
    single = {path.stem for path in ROOT.glob("*.py")}
    packages = {path.parent.name for path in ROOT.glob("*/__init__.py")}
    assert single | packages - OUTSIDE == set(ALLOWED)

    setuptools = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]
    assert set(setuptools["py-modules"]) == single
    assert set(setuptools["packages"]["find"]["include"]) == {f"{package}*" for package in packages - OUTSIDE}


# The checks themselves, on small sources.


def module(name: str, source: str, path: str | None = None) -> Module:
    return Module(name, path or f"{name.replace('.', '/')}.py", source)


def package(name: str, source: str) -> Module:
    return module(name, source, f"{name.replace('.', '/')}/__init__.py")


def test_finds_imports_wherever_they_stand() -> None:
    source = (
        "import os, search.cli\ndef f():\n    from space import x\nif TYPE_CHECKING:\n    import datasets.folder as d\n"
    )
    assert set(module("m", source).imports()) == {
        (1, "os"),
        (1, "search.cli"),
        (3, "space.x"),
        (5, "datasets.folder"),
    }
    assert imports_from([module("m", source)], {"datasets", "deeplab"}) == ["m.py:5 imports datasets"]


def test_finds_imports_from_the_own_package() -> None:
    known = {"a.b", "a.b.c", "a.x"}
    assert list(module("a.b.c", "from . import d\nfrom ..x import y").imports(known)) == [(1, "a.b"), (2, "a.x")]
    assert list(package("a.b", "from .c import d\nfrom .. import x").imports(known)) == [(1, "a.b.c"), (2, "a.x")]


@pytest.mark.parametrize("import_", ["from search.driver.loop import Driver", "from search import driver"])
def test_names_an_import_that_leads_upwards_with_file_line_and_rooms(import_: str) -> None:
    source = f"import os\ndef f():\n    {import_}\n"
    assert upward_imports([module("search.results.ledger", source)]) == [
        "search/results/ledger.py:3: results imports driver, which is not below it"
    ]


def test_neighbours_and_the_command_line_are_not_below() -> None:
    found = upward_imports(
        [
            module("search.report.page", "import search.terminal.tables"),
            module("search.system.files", "from search import cli"),
        ]
    )
    assert found == [
        "search/report/page.py:1: report imports terminal, which is not below it",
        "search/system/files.py:1: system imports cli, which is not below it",
    ]


def test_downwards_within_a_room_and_to_the_errors_every_import_may_lead() -> None:
    source = "from search.errors import UserError\nfrom search.study.ids import run_of\nimport search.results.frames"
    assert upward_imports([module("search.results.ledger", source), module("search.cli", "import search.report")]) == []


def test_finds_a_circle_that_a_late_import_hides() -> None:
    modules = [
        module("a", "import b"),
        module("b", "import c.d"),
        package("c", ""),
        module("c.d", "def f():\n    import a"),
    ]
    circle = import_circle(modules)
    assert sorted(set(circle)) == ["a", "b", "c.d"]
    assert circle[0] == circle[-1]
    assert import_circle(modules[:3]) == []


def test_a_package_may_hand_on_names_but_its_modules_take_none_from_it() -> None:
    handing_on = [package("p", "from p.a import x\n"), module("p.a", ""), module("p.b", "from p.a import x")]
    assert import_circle([*handing_on, module("q", "from p import x, b")]) == []
    assert import_circle([*handing_on[:1], module("p.a", "from p import y")]) != []


def test_finds_long_modules_and_functions() -> None:
    function = "def f():\n" + "    x = 1\n" * 60
    assert too_long([module("m", function)]) == ["m.py:1 f has 61 lines; at most 60 are allowed"]
    assert too_long([module("m", "\n" * 301)]) == ["m.py has 301 lines; at most 300 are allowed"]
    assert too_long([module("m", "x = 1\n" * 300), module("n", function.removesuffix("    x = 1\n"))]) == []
