"""The structure of the code, read from its syntax trees: what imports what, and how long modules and functions are."""

from __future__ import annotations

import ast
import graphlib
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

# The rooms of `search/` from the top to the bottom; neighbours stand together and do not import each other.
ROOMS: tuple[frozenset[str], ...] = tuple(
    map(
        frozenset,
        (
            {"commands"},
            {"driver"},
            {"report", "terminal"},
            {"results"},
            {"oracle"},
            {"executors"},
            {"trial"},
            {"study"},
            {"exporters"},
            {"system"},
        ),
    )
)
LEVELS = {room: level for level, rooms in enumerate(ROOMS) for room in rooms}
MOST_MODULE_LINES, MOST_FUNCTION_LINES = 300, 60


@dataclass(frozen=True)
class Module:
    """A module of the project: its dotted name, its file as people name it, and its source."""

    name: str
    path: str
    source: str

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.source)

    @property
    def room(self) -> str:
        """The part of `search/` that holds the module: a room, or a module at the top such as `cli`."""
        return self.name.split(".")[1] if "." in self.name else ""

    def imports(self, known: Collection[str] = ()) -> Iterator[tuple[int, str]]:
        """Line and name of every import, also in functions and for types only; names of `known` modules are whole."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                yield from ((node.lineno, _longest(alias.name, known)) for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                base = self._base_of(node)
                yield from ((node.lineno, _longest(f"{base}.{alias.name}", known)) for alias in node.names)

    def _base_of(self, node: ast.ImportFrom) -> str:
        """What an import takes its names from; dots in front stand for the module's own package."""
        is_package = self.path.endswith("__init__.py")
        package = self.name.split(".")[: None if is_package and node.level == 1 else -node.level + is_package]
        return ".".join([*(package if node.level else []), *([node.module] if node.module else [])])


def read_modules(root: Path, *parts: str) -> list[Module]:
    """Every module of some packages and single-file modules."""
    found = []
    for part in parts:
        single = root / f"{part}.py"
        for path in [single] if single.exists() else sorted((root / part).rglob("*.py")):
            relative = path.relative_to(root)
            names = relative.with_suffix("").parts
            name = ".".join(names[:-1] if names[-1] == "__init__" else names)
            found.append(Module(name, str(relative), path.read_text(encoding="utf-8")))
    return found


def imports_from(modules: Sequence[Module], forbidden: Collection[str]) -> list[str]:
    """A line for each import from one of the parts that must not be imported."""
    return [
        f"{module.path}:{line} imports {name.partition('.')[0]}"
        for module in modules
        for line, name in module.imports()
        if name.partition(".")[0] in forbidden
    ]


def upward_imports(modules: Sequence[Module]) -> list[str]:
    """A line for each import between rooms of `search/` that does not lead downwards."""
    return [
        f"{module.path}:{line}: {module.room} imports {room}, which is not below it"
        for module in modules
        for line, name in module.imports()
        if name.startswith("search.")
        and (room := name.split(".")[1]) != module.room
        and room != "errors"
        and module.room in LEVELS
        and LEVELS.get(room, -1) <= LEVELS[module.room]
    ]


def import_circle(modules: Sequence[Module]) -> list[str]:
    """A circle of modules that import each other, at their top or later; empty where there is none.

    That a package is loaded before its modules is not counted, so that it may hand on their names. A module that takes
    such a name from its own package does make a circle.
    """
    known = {module.name for module in modules}
    graph: dict[str, set[str]] = {module.name: set() for module in modules}
    for module in modules:
        graph[module.name] |= {name for _, name in module.imports(known) if name in known}
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError as error:
        circle: list[str] = error.args[1]
        return circle[::-1]
    return []


def too_long(modules: Sequence[Module]) -> list[str]:
    """A line for each module and each function that nobody can take in at once."""
    found = []
    for module in modules:
        lines = len(module.source.splitlines())
        if lines > MOST_MODULE_LINES:
            found.append(f"{module.path} has {lines} lines; at most {MOST_MODULE_LINES} are allowed")
        for node in ast.walk(module.tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                lines = (node.end_lineno or node.lineno) - node.lineno + 1
                if lines > MOST_FUNCTION_LINES:
                    found.append(
                        f"{module.path}:{node.lineno} {node.name} has {lines} lines; "
                        f"at most {MOST_FUNCTION_LINES} are allowed"
                    )
    return found


def _longest(name: str, known: Collection[str]) -> str:
    """The longest beginning of a dotted name that is a known module; the whole name where none is."""
    parts = name.split(".")
    beginnings = (".".join(parts[:count]) for count in range(len(parts), 0, -1))
    return next((beginning for beginning in beginnings if beginning in known), name)
