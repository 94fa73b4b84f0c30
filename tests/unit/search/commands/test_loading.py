"""A command loads TensorFlow once it has found no mistake, and then without its messages."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import search.commands

ROOT = Path(search.commands.__file__).parents[2]


def test_no_command_loads_tensorflow_before_it_has_read_its_arguments() -> None:
    names = sorted(path.stem for path in Path(search.commands.__file__).parent.glob("[a-z]*.py"))
    assert "run" in names
    program = (
        "import importlib, sys\n"
        f"for name in {names!r}:\n"
        "    importlib.import_module(f'search.commands.{name}')\n"
        "    assert not {'tensorflow', 'keras', 'keras_tuner'} & set(sys.modules), name\n"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
