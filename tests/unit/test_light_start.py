"""What is heavy loads only once it is needed: help, and mistakes in a study file, are shown at once."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SEARCH = Path(__file__).resolve().parents[2] / "search"
COMMANDS = sorted(f"search.commands.{path.stem}" for path in (SEARCH / "commands").glob("[!_]*.py"))
ROOMS = sorted(f"search.{path.parent.name}" for path in SEARCH.glob("*/__init__.py"))
HEAVY = ("tensorflow", "keras", "keras_tuner", "pandas", "tensorboard", "plotly", "optuna")


def loaded_by(*statements: str) -> str:
    program = "; ".join([*statements, "import sys", f"print(sorted(set({HEAVY}) & set(sys.modules)))"])
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False, cwd=SEARCH.parent
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize("modules", [["search.cli"], ROOMS, COMMANDS], ids=["help", "rooms", "commands"])
def test_nothing_heavy_loads_with(modules: list[str]) -> None:
    assert loaded_by(*(f"import {module}" for module in modules)) == "[]"


def test_data_frames_are_loaded_by_whoever_asks_for_them() -> None:
    assert loaded_by("from search import results", "results.load") == "['pandas']"
