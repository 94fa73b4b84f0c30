"""Keep the libraries' start-up chatter off the terminal, and nothing else."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import sys
import tempfile
from collections.abc import Iterator

from search.errors import UserError


def quiet_environment() -> None:
    """Ask TensorFlow for errors only; the user's own setting wins. Call before anything imports it."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # neither information nor warnings


@contextlib.contextmanager
def quiet_import() -> Iterator[None]:
    """Hold back what C libraries print to stderr while they load; shown after all if loading fails."""
    quiet_environment()
    with held_back():
        yield


@contextlib.contextmanager
def held_back() -> Iterator[None]:
    """Hold back what C libraries print to stderr; shown after all if the block fails."""
    sys.stderr.flush()
    # The descriptor itself: C libraries do not write to `sys.stderr`.
    kept = os.dup(2)
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        try:
            yield
        except BaseException:
            held.seek(0)
            os.write(kept, held.read())
            raise
        finally:
            os.dup2(kept, 2)
            os.close(kept)


def load_tensorflow() -> None:
    """Import TensorFlow and Keras without their start-up messages.

    Raises:
        UserError: TensorFlow is not installed.
    """
    if importlib.util.find_spec("tensorflow") is None:
        raise UserError(
            "TensorFlow is not installed. Install the build for this machine beside the project: "
            "pip install -e '.[gpu]' with an NVIDIA GPU, pip install -e '.[cpu]' without (`make` chooses by itself)."
        )
    with quiet_import():
        import keras  # noqa: F401
        import tensorflow  # noqa: F401


def silence() -> None:
    """Let nothing that this process prints from now on reach the terminal, C libraries included."""
    with contextlib.suppress(OSError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 1)
        os.dup2(nowhere, 2)
