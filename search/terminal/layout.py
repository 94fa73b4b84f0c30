"""The plain look of all tables: no lines, dim headers."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table


def plain_table(*texts: str, numbers: Sequence[str] = (), no_wrap: bool = False) -> Table:
    """A table without lines and rows yet: columns of text, then columns of numbers, which stand to the right."""
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
    for column in texts:
        table.add_column(column, no_wrap=no_wrap)
    for column in numbers:
        table.add_column(column, justify="right", no_wrap=no_wrap)
    return table
