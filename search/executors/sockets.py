"""A folder for the fork server's socket, whose path the system allows to be only about a hundred characters long."""

from __future__ import annotations

import os
import tempfile
from multiprocessing import util
from pathlib import Path

from search.errors import UserError

# A socket's path has at most 108 bytes on Linux and 104 on macOS. What multiprocessing appends to the folder of
# temporary files, as in `/pymp-0a1b2c3d/listener-0a1b2c3d`, takes 33.
LONGEST = 70
# Used in turn where `TMPDIR` is too long.
SHORT = ("/tmp", "/var/tmp", "/dev/shm")


def make_socket_folder() -> None:
    """Make sure that multiprocessing keeps its sockets in a private folder with a short path; it removes it at its end.

    Raises:
        UserError: the folder of temporary files has too long a path, and there is no other.
    """
    given = tempfile.gettempdir()
    if len(os.fsencode(given)) <= LONGEST:
        return
    short = next((path for path in SHORT if Path(path).is_dir() and os.access(path, os.W_OK | os.X_OK)), None)
    if short is None:
        raise UserError(
            f"the folder for temporary files, {given}, has too long a path for a socket (at most {LONGEST} "
            "characters). Set TMPDIR to a shorter one."
        )
    tempfile.tempdir = short
    try:
        util.get_temp_dir()  # made at the first call, and kept
    finally:
        tempfile.tempdir = given
