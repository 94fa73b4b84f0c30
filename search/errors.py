"""Errors sorted by who must act."""

from __future__ import annotations


class UserError(Exception):
    """The user's input is wrong: one clear message, exit status 2, nothing changed on disk."""


class SearchStopped(Exception):
    """The search cannot continue; all state is kept and the same command continues. Exit status 1."""


class Incomplete(Exception):
    """A command did what it could; the message says what it could not do. Exit status 1."""


class Interrupted(Exception):
    """The user interrupted; the same command continues. Exit status 130."""
