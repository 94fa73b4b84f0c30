"""The terminal: the live screen and the tables of a search."""

from search.terminal.console import is_live, make_console, reading_progress, splitting_progress
from search.terminal.layout import plain_table
from search.terminal.live import SearchConsole

__all__ = ["SearchConsole", "is_live", "make_console", "plain_table", "reading_progress", "splitting_progress"]
