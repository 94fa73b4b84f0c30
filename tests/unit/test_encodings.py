"""Text files are UTF-8 whatever the locale is: every call that opens one says so."""

from __future__ import annotations

import ast
from collections.abc import Iterator

import pytest

from tests.conftest import ROOT
from tests.unit.structure import read_modules

PARTS = ("benchmarks", "datasets", "deeplab", "docs", "hyperparameters", "recipe", "search", "space")
# Modules whose `open` takes no text.
OTHERS = {"Image", "os"}


def unsaid_encodings(source: str) -> Iterator[int]:
    """The lines of calls that open a file as text without naming its encoding."""
    for call in (node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)):
        name = ast.unparse(call.func)
        owner, _, method = name.rpartition(".")
        modes = [str(given.value) for given in call.args if isinstance(given, ast.Constant)]
        is_binary = method == "open" and any("b" in mode for mode in modes)
        says = any(keyword.arg == "encoding" for keyword in call.keywords)
        if method in ("open", "read_text", "write_text") and owner not in OTHERS and not is_binary and not says:
            yield call.lineno


def test_every_text_file_is_opened_as_utf_8() -> None:
    found = [
        f"{module.path}:{line}" for module in read_modules(ROOT, *PARTS) for line in unsaid_encodings(module.source)
    ]
    assert found == []


@pytest.mark.parametrize(
    ("source", "count"),
    [
        ("path.read_text()", 1),
        ("open('a')", 1),
        ("a.b.open('w')", 1),
        ("path.write_text(text, encoding='utf-8')", 0),
        ("open(path, 'rb')", 0),
        ("Image.open(path)", 0),
    ],
)
def test_a_call_without_encoding_is_found(source: str, count: int) -> None:
    assert len(list(unsaid_encodings(source))) == count
