"""Any text, wherever it comes from and goes to: names of files that are no text, and terminals with few letters."""

from __future__ import annotations

import io
import os
import sys


def show_any_text(encoding: str | None = None) -> None:
    r"""Let standard output and error show whatever is written to them: what they cannot encode appears as `\u00e9`.

    Args:
        encoding: of both from now on; None keeps theirs.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # not in a notebook
            stream.reconfigure(encoding=encoding, errors="backslashreplace")


def name_files_in_utf_8() -> None:
    """Start the program again in Python's UTF-8 mode where the locale, such as `C`, has no name for most files.

    Python does so by itself unless it is told not to; a path of a study file could then not be opened.
    """
    if sys.getfilesystemencoding() == "ascii":
        os.execv(sys.executable, [sys.executable, "-X", "utf8", *sys.orig_argv[1:]])
